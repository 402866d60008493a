/* Substr() of a string alone. */

BEGIN
{
	x = substr("abc");
}
