/* An array that nothing assigns. */

BEGIN
{
	trace(a[1]);
}
