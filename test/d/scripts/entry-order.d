/* What fires around one entry, in order. */
#pragma D option quiet


int entries;

sdt:kvm::
/entries < 2 && probename != "kvm-cr"/
{
	printf("%s:%s\n", probefunc, probename);
}

kvm-vexit
{
	entries++;
}
