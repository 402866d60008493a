/* Trace() of nothing. */

BEGIN
{
	trace();
}
