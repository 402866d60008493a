/* A base beyond 32 bits. */

BEGIN
{
	@ = lquantize(1, 2147483648, 4294967296, 1);
}
