/* A normalization holds until the end. */
#pragma D option quiet


BEGIN
{
	@["a"] = sum(1000);
	@["b"] = sum(2999);
	exit(0);
}

END
{
	normalize(@, 1000);
}
