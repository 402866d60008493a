/* The same aggregation may be given twice. */
#pragma D option quiet


BEGIN
{
	@a["x"] = sum(5);
	exit(0);
}

END
{
	printa("%s %@d %@d\n", @a, @a);
}
