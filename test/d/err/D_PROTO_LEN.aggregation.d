/* An aggregation's key of another length. */

BEGIN
{
	@a[1] = count();
	@a[1, 2] = count();
}
