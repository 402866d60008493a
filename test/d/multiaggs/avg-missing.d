/* An avg() without this key is 0. */
#pragma D option quiet


BEGIN
{
	@n[1] = count();
	@v[2] = avg(50);
	exit(0);
}

END
{
	printa("%d %@d %@d\n", @n, @v);
}
