/* Steps beyond 16 bits. */

BEGIN
{
	@ = llquantize(1, 10, 0, 3, 65536);
}
