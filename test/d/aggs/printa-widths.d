/* Flags, widths and conversions apply to %@. */
#pragma D option quiet


BEGIN
{
	@ = sum(255);
	exit(0);
}

END
{
	printa("[%@d]\n", @);
	printa("[%8@d]\n", @);
	printa("[%-8@d]\n", @);
	printa("[%08@d]\n", @);
	printa("[%@x]\n", @);
	printa("[%#@x]\n", @);
	printa("[%@o]\n", @);
	printa("[%@u]\n", @);
}
