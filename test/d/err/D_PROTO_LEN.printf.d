/* Printf() of nothing. */

BEGIN
{
	printf();
}
