/* %s of an int. */

BEGIN
{
	printf("%s", 5);
}
