/* An aggregation assigned another. */

BEGIN
{
	@b = count();
	@a = @b;
}
