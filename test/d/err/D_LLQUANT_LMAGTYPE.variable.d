/* A low magnitude that is no constant. */

BEGIN
{
	x = 0;
	@ = llquantize(1, 10, x, 3, 10);
}
