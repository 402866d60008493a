/* Commit() after something was recorded. */

BEGIN
{
	self->s = speculation();
}

BEGIN
{
	printf("x");
	commit(self->s);
}
