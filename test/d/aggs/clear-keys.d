/* clear() sets the values to zero and keeps the keys. */
#pragma D option quiet


BEGIN
{
	@["a"] = sum(10);
	@["b"] = sum(20);
	exit(0);
}

END
{
	clear(@);
}
