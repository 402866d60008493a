/* A limit beyond 32 bits. */

BEGIN
{
	@ = lquantize(1, 0, 2147483648, 1000);
}
