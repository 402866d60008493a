/* Strjoin() of one. */

BEGIN
{
	x = strjoin("a");
}
