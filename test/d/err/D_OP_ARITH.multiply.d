/* A string times a number. */

BEGIN
{
	x = "a" * 2;
}
