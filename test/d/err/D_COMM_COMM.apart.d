/* Two commits of different speculations in a clause. */

BEGIN
{
	self->a = speculation();
	self->b = speculation();
}

BEGIN
{
	commit(self->a);
	commit(self->b);
	exit(0);
}
