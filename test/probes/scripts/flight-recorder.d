#pragma D option quiet
#pragma D option bufpolicy=ring
#pragma D option bufsize=16k

/* The last exits before a triple fault, with all registers: nothing is read before it happens. */
kvm-vexit
{
	printf("%-20s rip %016x rsp %016x rflags %08x\n", strexitno[arg1], vmregs[VMX_GUEST_RIP],
	    vmregs[VMX_GUEST_RSP], vmregs[VMX_GUEST_RFLAGS]);
	printf("  rax %016x rbx %016x rcx %016x rdx %016x\n", uregs[R_RAX], uregs[R_RBX], uregs[R_RCX], uregs[R_RDX]);
	printf("  rsi %016x rdi %016x rbp %016x cr3 %016x\n", uregs[R_RSI], uregs[R_RDI], uregs[R_RBP],
	    vmregs[VMX_GUEST_CR3]);
}

kvm-vexit
/arg1 == EXIT_REASON_TRIPLE_FAULT/
{
	exit(0);
}
