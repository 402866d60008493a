/* An enumerator where a constant is required. */
#pragma D option quiet


enum { COUNT = 3 };

int a[COUNT];

BEGIN
{
	a[COUNT - 1] = 7;
	printf("%d %d\n", sizeof (a), a[2]);
	exit(0);
}
