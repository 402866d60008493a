/* An int assigned to a string. */

BEGIN
{
	s = "a";
	s = 1;
}
