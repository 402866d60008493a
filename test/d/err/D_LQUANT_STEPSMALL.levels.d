/* More levels than 16 bits count. */

BEGIN
{
	@ = lquantize(1, 0, 1000000, 1);
}
