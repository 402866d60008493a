/* avg is the normalized sum divided by the count. */
#pragma D option quiet


BEGIN
{
	@ = avg(100);
	@ = avg(300);
	exit(0);
}

END
{
	normalize(@, 100);
	printa("%@d\n", @);
}
