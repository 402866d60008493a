/* Min() of nothing. */

BEGIN
{
	@ = min();
}
