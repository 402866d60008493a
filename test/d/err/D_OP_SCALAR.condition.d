/* A string as the condition of ?:. */

BEGIN
{
	s = "a";
	x = s ? 1 : 2;
}
