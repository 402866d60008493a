/* && with a string. */

BEGIN
{
	x = "a" && 1;
}
