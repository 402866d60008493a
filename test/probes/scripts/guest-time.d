#pragma D option quiet

kvm-guest-entry
{
	self->entry = timestamp;
}

/* How long a guest runs between two exits, by VM and vCPU. */
kvm-guest-exit
/self->entry/
{
	@[pid, vmregs[VMX_VIRTUAL_PROCESSOR_ID]] = quantize(timestamp - self->entry);
	self->entry = 0;
}

END
{
	printa("pid %d, vcpu %d: %@d\n", @);
}
