/* exit() ends its clause at its end; the clauses that follow do not run, not even for this firing. */
#pragma D option quiet


BEGIN
{
	exit(0);
	printf("same clause\n");
}

BEGIN
{
	printf("next clause\n");
}
