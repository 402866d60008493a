/* trunc() without a count removes keys and values. */
#pragma D option quiet


BEGIN
{
	@["a"] = sum(10);
	@kept["b"] = sum(20);
	exit(0);
}

END
{
	trunc(@);
}
