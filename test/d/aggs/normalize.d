/* normalize() divides what is printed, in integers; the data stay as they are. */
#pragma D option quiet


BEGIN
{
	@ = sum(105);
	exit(0);
}

END
{
	normalize(@, 10);
	printa("%@d\n", @);
	denormalize(@);
	printa("%@d\n", @);
}
