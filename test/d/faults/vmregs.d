/* There is no virtual machine at a BEGIN of the host: vmregs is an illegal operation. */
#pragma D option quiet


BEGIN
{
	printf("%x\n", vmregs[VMX_GUEST_RIP]);
}

ERROR
{
	printf("fault %d\n", arg4);
	exit(0);
}
