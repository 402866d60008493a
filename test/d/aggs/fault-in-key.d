/* A fault while the key is computed leaves the aggregation alone. */
#pragma D option quiet


BEGIN
{
	x = 0;
}

BEGIN
{
	@[10 / x] = count();
	@other = count();
}

BEGIN
{
	@after = count();
	exit(0);
}

ERROR
{
	errors++;
}

END
{
	printf("%d\n", errors);
}
