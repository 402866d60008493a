/* Such a variable in a predicate. */

BEGIN
/self->x/
{
	trace(1);
}
