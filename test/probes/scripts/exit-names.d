#pragma D option quiet

/* Every exit by its name, as it happens. */
kvm-vexit
{
	printf("%s\n", strexitno[arg1]);
}
