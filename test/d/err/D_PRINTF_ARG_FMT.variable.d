/* A format that is no constant. */

BEGIN
{
	s = "x";
	printf(s);
}
