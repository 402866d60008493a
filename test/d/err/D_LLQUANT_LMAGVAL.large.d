/* A low magnitude beyond 16 bits. */

BEGIN
{
	@ = llquantize(1, 10, 65536, 3, 10);
}
