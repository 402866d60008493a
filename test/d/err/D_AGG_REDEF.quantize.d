/* Two kinds of distributions. */

BEGIN
{
	@a = quantize(1);
}

END
{
	@a = lquantize(1, 0, 10, 1);
}
