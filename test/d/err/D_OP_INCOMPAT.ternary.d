/* ?: of a string and a number. */

BEGIN
{
	x = 1;
	y = x ? "a" : 2;
}
