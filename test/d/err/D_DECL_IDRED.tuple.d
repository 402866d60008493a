/* One array, two key types. */

int a[int];

int a[string];

BEGIN
{
	exit(0);
}
