/* Trace() of nothing. */

BEGIN
{
	x = 1;
	trace((void)x);
}
