/* A string as the number of elements. */

BEGIN
{
	@a = count();
	trunc(@a, "two");
}
