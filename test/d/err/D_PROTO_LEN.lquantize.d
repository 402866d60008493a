/* Lquantize() without a range. */

BEGIN
{
	@ = lquantize(1);
}
