/* A record that does not fit into its speculation is dropped. */
#pragma D option quiet
#pragma D option droptags
#pragma D option specsize=64


BEGIN
{
	self->s = speculation();
}

BEGIN
{
	speculate(self->s);
	printf("%d %d %d %d %d %d %d %d\n", 1LL, 2LL, 3LL, 4LL, 5LL, 6LL, 7LL, 8LL);
}

BEGIN
{
	commit(self->s);
}

BEGIN
{
	exit(0);
}
