/* Quantize() of nothing. */

BEGIN
{
	@ = quantize();
}
