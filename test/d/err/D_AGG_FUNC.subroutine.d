/* An aggregation assigned the value of a subroutine. */

BEGIN
{
	@a["x"] = strlen("x");
}
