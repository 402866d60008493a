/* copyout() has three arguments. */
#pragma D option destructive

BEGIN
{
	copyout(alloca(8), 0);
	exit(0);
}
