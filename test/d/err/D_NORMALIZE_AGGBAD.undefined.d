/* Normalize() of an aggregation that nothing assigns. */

BEGIN
{
	normalize(@a[1], 5);
}
