/* A key of another length. */

BEGIN
{
	a[1, 2] = 1;
	a[1] = 2;
}
