/* Rows sort by the first aggregation. */
#pragma D option quiet


BEGIN
{
	@a["x"] = sum(2);
	@a["y"] = sum(1);
	@b["x"] = sum(10);
	@b["y"] = sum(20);
	exit(0);
}

END
{
	printa("%s %@d %@d\n", @a, @b);
	printa("%s %@d %@d\n", @b, @a);
}
