/* Time in the guest by process and vCPU, between each entry and the exit that follows. */
#pragma D option quiet


kvm-guest-entry
{
	self->entered = timestamp;
}

kvm-guest-exit
/self->entered/
{
	@time[pid, vmregs[VMX_VIRTUAL_PROCESSOR_ID]] = quantize(timestamp - self->entered);
	self->entered = 0;
}

END
{
	printa("pid %d, vcpu %d: %@d\n", @time);
}
