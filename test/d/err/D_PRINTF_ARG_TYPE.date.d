/* %Y of an int. */

BEGIN
{
	printf("%Y", 5);
}
