/* A number is no name of an aggregation. */

BEGIN
{
	@1 = count();
	exit(0);
}
