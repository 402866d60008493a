/* An assignment to a constant. */

BEGIN
{
	5 = 6;
}
