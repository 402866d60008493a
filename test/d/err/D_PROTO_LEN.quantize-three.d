/* Quantize() of three. */

BEGIN
{
	@ = quantize(1, 2, 3);
}
