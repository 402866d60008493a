/* An aggregation can be printed any number of times; printing does not change it. */
#pragma D option quiet


BEGIN
{
	@ = sum(3);
	exit(0);
}

END
{
	printa("%@d\n", @);
	printa("%@d\n", @);
}
