/* A factor that is no constant. */

BEGIN
{
	x = 10;
	@ = llquantize(1, x, 0, 3, 10);
}
