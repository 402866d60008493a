/* A base that is no constant. */

BEGIN
{
	x = 0;
	@ = lquantize(1, x, 10, 1);
}
