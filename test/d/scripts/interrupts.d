/* Interrupts by vector, and when in a second they come: milliseconds. */
#pragma D option quiet


kvm-inj-virq
{
	@vectors[arg0] = count();
	@when["ms"] = lquantize((timestamp % 1000000000) / 1000000, 0, 1000, 1);
}

END
{
	printa("vector %x: %@d\n", @vectors);
	printa("%s%@d", @when);
}
