/* A constant index past the end. */

int a[5];

BEGIN
{
	a[5] = 1;
}
