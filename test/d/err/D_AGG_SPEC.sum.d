/* Aggregating after speculate(). */

BEGIN
{
	self->s = speculation();
}

BEGIN
{
	speculate(self->s);
	@ = sum(1);
}
