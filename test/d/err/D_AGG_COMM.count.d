/* Aggregating after commit(). */

BEGIN
{
	self->s = speculation();
}

BEGIN
{
	commit(self->s);
	@ = count();
}
