/* The aggregation without a name is one aggregation like others. */
#pragma D option quiet


BEGIN
{
	@ = count();
	@named = count();
	@named = count();
	exit(0);
}

END
{
	printa("%@d\n", @named);
	printa("%@d\n", @);
}
