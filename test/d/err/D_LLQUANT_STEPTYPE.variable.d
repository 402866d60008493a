/* Steps that are no constant. */

BEGIN
{
	x = 10;
	@ = llquantize(1, 10, 0, 3, x);
}
