/* An assignment to a call. */

BEGIN
{
	strlen("a") = 3;
}
