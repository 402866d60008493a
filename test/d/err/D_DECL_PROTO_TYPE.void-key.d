/* Void as a key type. */

int a[void];

BEGIN
{
	exit(0);
}
