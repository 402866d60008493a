/* A string plus a number. */

BEGIN
{
	x = "a" + 1;
}
