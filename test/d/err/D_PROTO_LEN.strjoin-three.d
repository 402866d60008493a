/* Strjoin() of three. */

BEGIN
{
	x = strjoin("a", "b", "c");
}
