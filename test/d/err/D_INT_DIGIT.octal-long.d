/* A 9 in an octal constant. */

BEGIN
{
	x = 01239;
}
