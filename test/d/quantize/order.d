/* Distributions sort by the weighted sum of their buckets. */
#pragma D option quiet


BEGIN
{
	@[1] = quantize(1024);
	@[2] = quantize(1);
	@[2] = quantize(1);
	@[3] = quantize(16);
	exit(0);
}
