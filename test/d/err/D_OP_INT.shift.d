/* A string shifted. */

BEGIN
{
	x = "a" << 1;
}
