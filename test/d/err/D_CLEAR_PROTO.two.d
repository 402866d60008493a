/* Clear() of two aggregations. */

BEGIN
{
	@a = count();
	@b = count();
	clear(@a, @b);
}
