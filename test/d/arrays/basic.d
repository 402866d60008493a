/* A scalar array holds its elements. */
#pragma D option quiet


int a[5];

BEGIN
{
	a[0] = 1;
	a[1] = 2;
	a[4] = 5;
	i = 4;
	printf("%d %d %d %d\n", a[0], a[1], a[2], a[i]);
	a[i - 1] = a[i] * 10;
	printf("%d\n", a[3]);
	exit(0);
}
