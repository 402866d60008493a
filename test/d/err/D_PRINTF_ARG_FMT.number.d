/* A number as a format. */

BEGIN
{
	printf(5);
}
