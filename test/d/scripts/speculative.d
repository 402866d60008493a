/* What led to a port's access, only when that access comes. */
#pragma D option quiet


kvm-guest-entry
{
	self->spec = speculation();
	speculate(self->spec);
	printf("entry at %d\n", timestamp);
}

kvm-vexit
/self->spec/
{
	speculate(self->spec);
	printf("  exit %s\n", strexitno[arg1]);
}

kvm-pio
/self->spec && args[0] == 0/
{
	commit(self->spec);
	self->spec = 0;
}

kvm-vexit
/self->spec && arg1 != EXIT_REASON_IO_INSTRUCTION/
{
	discard(self->spec);
	self->spec = 0;
}

kvm-pio
/self->spec && args[0]/
{
	discard(self->spec);
	self->spec = 0;
}
