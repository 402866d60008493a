/* Trunc() of an aggregation that nothing assigns. */

BEGIN
{
	trunc(@a[1]);
}
