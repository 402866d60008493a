/* A string as a width. */

BEGIN
{
	printf("%*d", "x", 5);
}
