/* The storage class register. */

register int x;

BEGIN
{
	exit(0);
}
