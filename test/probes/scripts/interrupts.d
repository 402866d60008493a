#pragma D option quiet

/* Interrupts by vector, and by when within a second, in ms. */
sdt:kvm:vmx_inject_irq:kvm-inj-virq
{
	@[arg0] = lquantize((timestamp % 1000000000) / 1000000, 0, 1000, 10);
}
