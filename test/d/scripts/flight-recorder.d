/* The last exits before a triple fault, with the registers at each. */
#pragma D option quiet
#pragma D option bufpolicy=ring
#pragma D option bufsize=4k


kvm-vexit
{
	printf("%-14s rip %x rax %x rbx %x rsp %x\n", strexitno[arg1], vmregs[VMX_GUEST_RIP], uregs[R_RAX], uregs[R_RBX], vmregs[VMX_GUEST_RSP]);
	printf("  cr0 %x cr3 %x cr4 %x efer %x rflags %x\n", vmregs[VMX_GUEST_CR0], vmregs[VMX_GUEST_CR3], vmregs[VMX_GUEST_CR4],
	    vmregs[VMX_GUEST_IA32_EFER], vmregs[VMX_GUEST_RFLAGS]);
}

kvm-vexit
/arg1 == EXIT_REASON_TRIPLE_FAULT/
{
	exit(0);
}
