/* A cleared avg() is 0. */
#pragma D option quiet


BEGIN
{
	@ = avg(10);
	exit(0);
}

END
{
	clear(@);
	printa("%@d\n", @);
}
