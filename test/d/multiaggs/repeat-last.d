/* More %@ than aggregations print the last one again. */
#pragma D option quiet


BEGIN
{
	@a = sum(1);
	@b = sum(2);
	exit(0);
}

END
{
	printa("%@d %@d %@d\n", @a, @b);
}
