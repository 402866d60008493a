/* speculate() does not follow what records. */

BEGIN
{
	self->i = speculation();
	printf("%d", self->i);
	speculate(self->i);
}
