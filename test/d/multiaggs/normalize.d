/* Normalizations stay with their aggregations. */
#pragma D option quiet


BEGIN
{
	@a["k"] = sum(100);
	@b["k"] = sum(100);
	exit(0);
}

END
{
	normalize(@a, 10);
	printa("%s %@d %@d\n", @a, @b);
}
