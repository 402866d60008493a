/* An unknown aggregating function. */

BEGIN
{
	@a = median(1);
}
