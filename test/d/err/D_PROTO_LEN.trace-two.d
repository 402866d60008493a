/* Trace() of two. */

BEGIN
{
	trace(1, 2);
}
