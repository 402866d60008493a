/* Nothing is recorded after commit(). */

BEGIN
{
	self->i = speculation();
	commit(self->i);
	printf("%d", 1);
}
