/* Speculate() after something was recorded. */

BEGIN
{
	self->s = speculation();
}

BEGIN
{
	trace(1);
	speculate(self->s);
}
