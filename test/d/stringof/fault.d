/* stringof of an address that is none faults when it is read. */
#pragma D option quiet


BEGIN
{
	printf("%s\n", stringof((char *)0x10));
}

ERROR
{
	printf("fault %d at 0x%x\n", arg4, arg5);
}

BEGIN
{
	exit(0);
}
