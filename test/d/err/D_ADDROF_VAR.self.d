/* The address of a thread-local variable. */

BEGIN
{
	self->y = 1;
	x = &self->y;
}
