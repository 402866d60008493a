#pragma D option quiet

profile-97
{
	@[vmregs[VMX_GUEST_CR3]] = count();
}

END
{
	printa("%16x %@8d\n", @);
}
