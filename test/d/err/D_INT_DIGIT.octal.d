/* An 8 in an octal constant. */

BEGIN
{
	x = 08;
}
