/* A factor beyond 16 bits. */

BEGIN
{
	@ = llquantize(1, 65536, 0, 1, 65536);
}
