/* Destructive subroutines are not speculative either. */
#pragma D option destructive

BEGIN
{
	self->i = speculation();
	speculate(self->i);
	copyoutstr("text", 0, 4);
}
