/* An array of a negative size. */

int a[-1];

BEGIN
{
	exit(0);
}
