/* A string added to in place. */

BEGIN
{
	s = "a";
	s += "b";
}
