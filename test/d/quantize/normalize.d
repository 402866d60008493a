/* Normalization divides counts, not bars. */
#pragma D option quiet


BEGIN
{
	@ = quantize(1, 100);
	@ = quantize(8, 300);
	exit(0);
}

END
{
	normalize(@, 100);
}
