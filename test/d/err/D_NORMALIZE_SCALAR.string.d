/* A string as the factor. */

BEGIN
{
	@a = count();
	normalize(@a, "five");
}
