/* The last assignment counts. */
#pragma D option quiet


BEGIN
{
	a[7] = 1;
	a[7] = 2;
	a[7] = a[7] + 40;
	printf("%d\n", a[7]);
	exit(0);
}
