/* Two arrays do not overlap. */
#pragma D option quiet


int a[2];
int b[2];

BEGIN
{
	a[0] = 1; a[1] = 2; b[0] = 3; b[1] = 4;
	printf("%d %d %d %d\n", a[0], a[1], b[0], b[1]);
	exit(0);
}
