/* printa() with a format: keys in order, then the value by %@. */
#pragma D option quiet


BEGIN
{
	@["a", 1] = sum(10);
	@["b", 2] = sum(-20);
}

END
{
	printa("%s/%d=%@d\n", @);
}

BEGIN
{
	exit(0);
}
