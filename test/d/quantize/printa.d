/* A distribution as the value of a printa() format: any conversion prints the table. */
#pragma D option quiet


BEGIN
{
	@["k"] = quantize(7);
	exit(0);
}

END
{
	printa("%s:%@d<\n", @);
}
