/* aggsortkey sorts the rows by key. */
#pragma D option quiet

#pragma D option aggsortkey

BEGIN
{
	@a["b"] = sum(1);
	@a["a"] = sum(2);
	@b["b"] = sum(3);
	@b["a"] = sum(4);
	exit(0);
}

END
{
	printa("%s %@d %@d\n", @a, @b);
}
