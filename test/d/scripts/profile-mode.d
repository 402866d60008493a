/* Kernel and user program counters of samples. */
#pragma D option quiet


profile-997
{
	@modes[arg0 != 0 ? "kernel" : arg1 != 0 ? "user" : "none", cpu] = count();
}
