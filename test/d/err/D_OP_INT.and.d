/* A string in &. */

BEGIN
{
	x = "a" & 1;
}
