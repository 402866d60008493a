/* %@ may stand before the keys, and more than once. */
#pragma D option quiet


BEGIN
{
	@["k"] = sum(4);
	exit(0);
}

END
{
	printa("%@d %s %@d\n", @);
}
