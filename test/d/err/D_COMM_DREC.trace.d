/* commit() does not follow what records. */

BEGIN
{
	self->i = speculation();
	trace(1);
	commit(self->i);
}
