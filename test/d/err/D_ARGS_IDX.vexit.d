/* An index beyond a probe's arguments. */

sdt:kvm::kvm-vexit
{
	trace(args[7]);
}
