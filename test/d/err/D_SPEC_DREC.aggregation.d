/* Speculate() after aggregating. */

BEGIN
{
	self->s = speculation();
}

BEGIN
{
	@ = count();
	speculate(self->s);
}
