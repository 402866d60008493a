/* Each VM exit by its name, as it happens. */
#pragma D option quiet


BEGIN
{
	printf("%-10s %-24s\n", "RIP", "REASON");
}

kvm-vexit
/strexitno[arg1] != NULL/
{
	printf("%-10x %-24s\n", arg0, strexitno[arg1]);
}
