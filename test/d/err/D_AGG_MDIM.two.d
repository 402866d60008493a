/* An aggregation with two brackets. */

BEGIN
{
	@a[1][2] = count();
}
