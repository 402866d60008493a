/* Each %@ takes the next aggregation. */
#pragma D option quiet


BEGIN
{
	@n["a"] = count();
	@t["a"] = sum(100);
	@m["a"] = max(60);
	exit(0);
}

END
{
	printa("%s: %@d, %@d, %@d\n", @n, @t, @m);
}
