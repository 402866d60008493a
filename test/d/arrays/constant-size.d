/* The size may be a constant expression. */
#pragma D option quiet


int a[2 * 3 + 1];
int b[sizeof (long)];

BEGIN
{
	printf("%d %d\n", sizeof (a), sizeof (b));
	exit(0);
}
