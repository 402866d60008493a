/* Speculate() twice. */

BEGIN
{
	self->s = speculation();
}

BEGIN
{
	speculate(self->s);
	speculate(self->s);
}
