/* Normalize() without a factor. */

BEGIN
{
	@a = count();
	normalize(@a);
}
