/* VM exits by reason: name and number. */
#pragma D option quiet
#pragma D option aggsortkey


kvm-vexit
{
	@exits[strexitno[args[1]], args[1]] = count();
}

END
{
	printf("%-24s %6s %8s\n", "EXIT", "NUMBER", "COUNT");
	printa("%-24s %6d %@8d\n", @exits);
}
