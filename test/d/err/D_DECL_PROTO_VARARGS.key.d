/* An ellipsis among keys. */

int a[int, ...];

BEGIN
{
	exit(0);
}
