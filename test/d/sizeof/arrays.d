/* Sizes of arrays and of their elements. */
#pragma D option quiet


int a[10];
char b[3];

BEGIN
{
	printf("%d %d %d\n", sizeof (a), sizeof (a[0]), sizeof (b));
	printf("%d %d\n", sizeof (int[4]), sizeof (a) / sizeof (a[0]));
	exit(0);
}
