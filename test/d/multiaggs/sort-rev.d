/* aggsortrev turns the rows around. */
#pragma D option quiet

#pragma D option aggsortrev

BEGIN
{
	@a["x"] = sum(1);
	@a["y"] = sum(2);
	@b["x"] = sum(3);
	@b["y"] = sum(4);
	exit(0);
}

END
{
	printa("%s %@d %@d\n", @a, @b);
}
