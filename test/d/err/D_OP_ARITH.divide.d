/* A string divided. */

BEGIN
{
	x = "a" / 2;
}
