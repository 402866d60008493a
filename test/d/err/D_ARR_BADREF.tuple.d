/* A scalar array with a tuple. */

int a[5];

BEGIN
{
	a[1, 2] = 3;
}
