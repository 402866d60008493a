#!/usr/bin/env -S dlite -s
/*
 * What a guest does, seen from outside: npm start runs this with the boot. Try it on any VM:
 *
 *	lucid run --kernel vmlinuz --initrd initrd.img -s images/demo.d
 *	dlite -s images/demo.d
 */
#pragma D option quiet

sdt:kvm::kvm-vexit
{
	@exits[strexitno[arg1]] = count();
}

sdt:kvm::kvm-inj-virq
{
	@interrupts[arg0] = lquantize(timestamp % 1000000000 / 1000000, 0, 1000, 100);
}

profile-99
{
	@spaces[vmregs[VMX_GUEST_CR3]] = count();
}

END
{
	printf("VM exits by reason (kvm-vexit):\n\n");
	printa("  %-24s %@12d\n", @exits);
	printf("\nInterrupts by vector, and when within a second, in ms (kvm-inj-virq):\n");
	printa("\n  vector 0x%x\n%@d", @interrupts);
	printf("\nSamples by address space, as CR3 (profile-99):\n\n");
	printa("  0x%-22x %@12d\n", @spaces);
}
