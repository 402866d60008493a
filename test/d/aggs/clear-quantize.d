/* A cleared distribution prints the buckets around zero. */
#pragma D option quiet


BEGIN
{
	@ = quantize(100);
	exit(0);
}

END
{
	clear(@);
}
