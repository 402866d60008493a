/* Destructive actions are not speculative. */
#pragma D option destructive

BEGIN
{
	self->i = speculation();
	speculate(self->i);
	panic();
}
