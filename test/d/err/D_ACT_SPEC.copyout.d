/* Destructive subroutines are not speculative either. */
#pragma D option destructive

BEGIN
{
	self->i = speculation();
	speculate(self->i);
	copyout(alloca(8), 0, 8);
}
