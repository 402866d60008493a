/* MSRs by number: reads, writes. */
#pragma D option quiet


kvm-msr-read
{
	@reads[args[0]] = count();
}

kvm-msr-write
{
	@writes[args[0]] = count();
}

END
{
	printf("%-6s %6s %6s\n", "MSR", "READS", "WRITES");
	printa("%-6x %@6d %@6d\n", @reads, @writes);
}
