/* %k of an int. */

BEGIN
{
	printf("%k", 5);
}
