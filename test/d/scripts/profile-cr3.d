/* Where time goes, by address space. */
#pragma D option quiet


profile-4999
{
	@spaces[vmregs[VMX_GUEST_CR3]] = count();
}

END
{
	printa("cr3 %8x %@5d samples\n", @spaces);
}
