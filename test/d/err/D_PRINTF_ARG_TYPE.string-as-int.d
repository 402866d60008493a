/* %d of a string. */

BEGIN
{
	printf("%d", "x");
}
