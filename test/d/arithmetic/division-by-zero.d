/* Division and remainder by zero at run time are faults that end the clause. */
#pragma D option quiet


BEGIN
{
	zero = 0;
}

BEGIN
{
	printf("%d\n", 1 / zero);
	printf("not reached\n");
}

BEGIN
{
	printf("%d\n", 1 % zero);
	printf("not reached\n");
}

ERROR
{
	printf("fault %d\n", arg4);
}

BEGIN
{
	exit(0);
}
