/* Negative values have mirrored buckets. */
#pragma D option quiet


BEGIN
{
	@ = quantize(-1);
	@ = quantize(-2);
	@ = quantize(-5);
	@ = quantize(3);
	exit(0);
}
