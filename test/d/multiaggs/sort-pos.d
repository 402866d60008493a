/* aggsortpos names the aggregation to sort by. */
#pragma D option quiet

#pragma D option aggsortpos=1

BEGIN
{
	@a["x"] = sum(1);
	@a["y"] = sum(2);
	@b["x"] = sum(20);
	@b["y"] = sum(10);
	exit(0);
}

END
{
	printa("%s %@d %@d\n", @a, @b);
}
