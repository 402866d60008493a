/* The storage class auto. */

auto int x;

BEGIN
{
	exit(0);
}
