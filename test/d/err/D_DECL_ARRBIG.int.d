/* An array of more than 2^32 elements. */

int a[4294967296];

BEGIN
{
	exit(0);
}
