/* Magnitudes beyond 64 bits. */

BEGIN
{
	@ = llquantize(1, 10, 0, 30, 10);
}
