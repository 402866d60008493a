/* Reading through a null pointer is an invalid address: fault 1 at address 0. */
#pragma D option quiet


BEGIN
{
	x = *(int *)NULL;
	printf("not reached\n");
}

ERROR
{
	printf("fault %d at %d in action %d\n", arg4, arg5, arg2);
}

BEGIN
{
	exit(0);
}
