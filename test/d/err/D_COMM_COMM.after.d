/* Two commits in a clause. */

BEGIN
{
	self->a = speculation();
	commit(self->a);
	commit(self->a);
	exit(0);
}
