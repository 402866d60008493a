/* An aggregating function without an aggregation. */

BEGIN
{
	sum(20);
	exit(0);
}
