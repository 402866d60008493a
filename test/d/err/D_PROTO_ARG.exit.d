/* Exit() of a string. */

BEGIN
{
	exit("x");
}
