/* Time from each port access to the next. */
#pragma D option quiet


uint64_t last;

kvm-pio
{
	@ports[args[0] ? "out" : "in", args[1], args[2]] = count();
	@gap = max(last ? timestamp - last : 0);
	last = timestamp;
}

END
{
	printa("%-4s port %3x, %d byte: %@d\n", @ports);
	printa("longest gap %@d ns\n", @gap);
}
