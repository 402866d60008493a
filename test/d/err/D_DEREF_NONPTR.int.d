/* An int dereferenced. */

BEGIN
{
	x = 5;
	trace(*x);
}
