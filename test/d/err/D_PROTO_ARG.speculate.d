/* Speculate() of a string. */

BEGIN
{
	speculate("x");
}
