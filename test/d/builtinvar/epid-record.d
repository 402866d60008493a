/* epid in the clauses of two probes. */
#pragma D option quiet


END
{
	printf("%d\n", epid);
}

BEGIN
{
	printf("%d ", epid);
	exit(0);
}
