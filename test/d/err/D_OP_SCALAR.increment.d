/* A string incremented. */

BEGIN
{
	s = "a";
	s++;
}
