/* A negative string. */

BEGIN
{
	x = -"a";
}
