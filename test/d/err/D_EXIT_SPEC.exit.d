/* Exit() after speculate(). */

BEGIN
{
	self->s = speculation();
}

BEGIN
{
	speculate(self->s);
	exit(0);
}
