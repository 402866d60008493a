/* A normalization belongs to one aggregation. */
#pragma D option quiet


BEGIN
{
	@a = sum(60);
	@b = sum(60);
	exit(0);
}

END
{
	normalize(@a, 6);
}
