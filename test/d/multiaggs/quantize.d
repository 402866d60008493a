/* A distribution among the columns. */
#pragma D option quiet


BEGIN
{
	@n["k"] = count();
	@q["k"] = quantize(2);
	exit(0);
}

END
{
	printa("%s %@d%@d", @n, @q);
}
