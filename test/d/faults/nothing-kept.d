/* Nothing that the clause recorded before the fault is kept. */
#pragma D option quiet


BEGIN
{
	zero = 0;
}

BEGIN
{
	printf("recorded before\n");
	x = 1 / zero;
	printf("never\n");
}

BEGIN
{
	printf("next clause\n");
	exit(0);
}
