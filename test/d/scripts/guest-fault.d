/* An address that the guest has not mapped is a fault, with the address. */
#pragma D option quiet


kvm-pio
{
	trace(*(uint64_t *)0xffff800000000000);
}

ERROR
{
	printf("fault %d at %x, epid %d\n", arg4, arg5, arg1);
}
