/* An aggregation as a key. */

BEGIN
{
	@b = count();
}

BEGIN
{
	@a[@b] = count();
}
