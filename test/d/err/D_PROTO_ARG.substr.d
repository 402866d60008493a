/* Substr() from a string. */

BEGIN
{
	x = substr("abc", "x");
}
