/* A second normalize() replaces the first. */
#pragma D option quiet


BEGIN
{
	@ = sum(100);
	exit(0);
}

END
{
	normalize(@, 2);
	normalize(@, 5);
	printa("%@d\n", @);
}
