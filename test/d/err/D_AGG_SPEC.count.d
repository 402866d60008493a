/* Aggregating is not speculative. */

BEGIN
{
	self->i = speculation();
	speculate(self->i);
	@a["x"] = count();
}
