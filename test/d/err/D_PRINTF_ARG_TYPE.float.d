/* %f of an int. */

BEGIN
{
	printf("%f", 5);
}
