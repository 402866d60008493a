/* A size is not negative. */
#pragma D option specsize=-10

BEGIN
{
	exit(0);
}
