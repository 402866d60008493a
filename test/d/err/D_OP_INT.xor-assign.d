/* ^= with a string. */

BEGIN
{
	x = 1;
	x ^= "a";
}
