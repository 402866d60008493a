/* What ERROR is told: enabling, action, fault, address. */
#pragma D option quiet


BEGIN
{
	trace(1);
	printf("%d\n", *(int *)0x18);
}

ERROR
{
	printf("epid %d action %d fault %d address 0x%x\n", arg1, arg2, arg4, arg5);
	exit(1);
}
