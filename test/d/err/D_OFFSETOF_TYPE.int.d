/* The offset of a member of an int. */

BEGIN
{
	trace(offsetof(int, x));
}
