/* A store through an argument of the probe, which is no memory of the program's. (A cast to a pointer may be stored through, and faults.) */

sdt:kvm::kvm-guest-entry
{
	args[0]->vcpu_id = 5;
}
