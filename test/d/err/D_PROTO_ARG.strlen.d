/* Strlen() of a number. */

BEGIN
{
	x = strlen(5);
}
