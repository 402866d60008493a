/* trunc(@, n) keeps the n largest values. */
#pragma D option quiet


BEGIN
{
	@["a"] = sum(10);
	@["b"] = sum(40);
	@["c"] = sum(20);
	@["d"] = sum(30);
	exit(0);
}

END
{
	trunc(@, 2);
}
