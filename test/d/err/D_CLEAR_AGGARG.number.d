/* Clear() of a number. */

BEGIN
{
	x = 1;
	clear(x);
}
