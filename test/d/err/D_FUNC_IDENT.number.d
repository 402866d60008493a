/* A call of a number. */

BEGIN
{
	x = 5();
}
