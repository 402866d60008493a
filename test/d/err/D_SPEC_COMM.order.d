/* Speculate() after commit(). */

BEGIN
{
	self->s = speculation();
}

BEGIN
{
	commit(self->s);
	speculate(self->s);
}
