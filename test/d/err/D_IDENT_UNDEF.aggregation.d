/* An unknown aggregation. */

BEGIN
{
	printa(@nosuch);
}
