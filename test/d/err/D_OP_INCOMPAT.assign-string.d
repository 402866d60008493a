/* A string assigned to an int. */

BEGIN
{
	x = 1;
	x = "a";
}
