/* The factor can be any expression. */
#pragma D option quiet


BEGIN
{
	@ = count();
	@ = count();
	@ = count();
	@ = count();
	factor = 2;
	exit(0);
}

END
{
	normalize(@, factor);
	printa("%@u\n", @);
}
