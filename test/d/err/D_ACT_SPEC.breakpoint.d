/* Destructive actions are not speculative. */
#pragma D option destructive

BEGIN
{
	self->i = speculation();
}

BEGIN
{
	speculate(self->i);
	breakpoint();
}
