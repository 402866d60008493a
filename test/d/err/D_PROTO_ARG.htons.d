/* htons() takes a number. */

BEGIN
{
	trace(htons("1"));
	exit(0);
}
