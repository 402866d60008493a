/* Aggregations with different types of keys. */

BEGIN
{
	@a[1] = count();
	@b["x"] = count();
	printa(@a, @b);
}
