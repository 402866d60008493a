/* A call of a variable. */

BEGIN
{
	x = pid();
}
