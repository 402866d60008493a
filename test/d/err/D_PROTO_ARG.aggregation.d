/* An aggregation's key of the wrong type. */

BEGIN
{
	@a["x"] = count();
	@a[5] = count();
}
