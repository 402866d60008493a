/* A format need not use every key. */
#pragma D option quiet


BEGIN
{
	@["x", 1] = count();
	exit(0);
}

END
{
	printa("%@d\n", @);
	printa("%s %@d\n", @);
	printa("nothing used\n", @);
}
