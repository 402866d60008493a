/* The storage class static. */

static int x;

BEGIN
{
	exit(0);
}
