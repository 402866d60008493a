/* A provider alone is all of its probes. */
#pragma D option quiet


dtrace:::
{
	printf("%s\n", probename);
}

BEGIN
{
	exit(0);
}
