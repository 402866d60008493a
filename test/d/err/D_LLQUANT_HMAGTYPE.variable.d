/* A high magnitude that is no constant. */

BEGIN
{
	x = 3;
	@ = llquantize(1, 10, 0, x, 10);
}
