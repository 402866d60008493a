/* An aggregation assigned a number. */

BEGIN
{
	@a = 5;
}
