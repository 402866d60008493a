/* A string multiplied in place. */

BEGIN
{
	s = "a";
	s *= 2;
}
