/* index() has at most three. */

BEGIN
{
	trace(index("a", "b", 0, 0));
	exit(0);
}
