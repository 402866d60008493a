/* A key that one of them lacks shows as zero there. */
#pragma D option quiet


BEGIN
{
	@n["only n"] = count();
	@t["only t"] = sum(7);
	exit(0);
}

END
{
	printa("%s: %@d %@d\n", @n, @t);
}
