/* A destructive action after speculate(). */

BEGIN
{
	self->s = speculation();
}

BEGIN
{
	speculate(self->s);
	stop();
}
