/* An array without a size. */

int a[];

BEGIN
{
	exit(0);
}
