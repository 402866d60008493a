/* Strlen() of nothing. */

BEGIN
{
	x = strlen();
}
