/* A string compared with a number. */

BEGIN
{
	x = "a" == 1;
}
