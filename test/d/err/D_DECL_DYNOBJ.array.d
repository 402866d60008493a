/* An array of associative arrays. */

int a[5][int];

BEGIN
{
	exit(0);
}
