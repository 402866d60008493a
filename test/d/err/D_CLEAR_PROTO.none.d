/* Clear() of nothing. */

BEGIN
{
	clear();
}
