/* Clear() of an aggregation that nothing assigns. */

BEGIN
{
	clear(@a[1]);
}
