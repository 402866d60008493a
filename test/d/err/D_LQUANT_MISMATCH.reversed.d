/* A limit below the base. */

BEGIN
{
	@ = lquantize(1, 10, 0, 1);
}
