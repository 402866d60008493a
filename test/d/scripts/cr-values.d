/* What is read from and written to control registers. */
#pragma D option quiet


sdt:kvm::kvm-cr-read,
sdt:kvm::kvm-cr-write
/!seen[probename, args[0], args[1]]++/
{
	printf("%s %s cr%d %x\n", probefunc, probename, args[0], args[1]);
}
