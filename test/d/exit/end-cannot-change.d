/* What END aggregates is printed. */
#pragma D option quiet


BEGIN
{
	@["begin"] = count();
	exit(0);
}

END
{
	@["end"] = count();
}
