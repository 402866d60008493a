/* Return addresses of the guest's kernel. */
#pragma D option quiet


kvm-pio
{
	printf("depth %d, caller %x", stackdepth, caller);
	stack();
	@callers[caller] = count();
}

END
{
	printa("%x %@d\n", @callers);
}
