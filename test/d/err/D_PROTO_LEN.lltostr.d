/* lltostr() has at most two. */

BEGIN
{
	trace(lltostr(1, 10, 16));
	exit(0);
}
