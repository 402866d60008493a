/* Clear() of an unknown aggregation. */

BEGIN
{
	clear(@nosuch);
}
