/* The complement of a string. */

BEGIN
{
	x = ~"a";
}
