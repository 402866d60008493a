/* The clauses after exit() still run for this firing. */
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
