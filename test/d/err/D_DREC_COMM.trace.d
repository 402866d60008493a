/* Recording after commit(). */

BEGIN
{
	self->s = speculation();
}

BEGIN
{
	commit(self->s);
	trace(1);
}
