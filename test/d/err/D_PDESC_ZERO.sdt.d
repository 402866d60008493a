/* An unknown probe of the machine. */

sdt:kvm::kvm-no-such
{
	trace(1);
}
