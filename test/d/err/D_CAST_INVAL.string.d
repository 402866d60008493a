/* A string cast to a number. */

BEGIN
{
	x = (int)"text";
}
