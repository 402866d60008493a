/* The size of void. */

BEGIN
{
	trace(sizeof (void));
}
