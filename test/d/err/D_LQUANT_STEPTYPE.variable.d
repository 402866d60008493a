/* A step that is no constant. */

BEGIN
{
	x = 1;
	@ = lquantize(1, 0, 10, x);
}
