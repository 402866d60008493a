/* A cleared linear distribution prints its first three buckets. */
#pragma D option quiet


BEGIN
{
	@ = lquantize(5, 0, 10, 1);
	exit(0);
}

END
{
	clear(@);
}
