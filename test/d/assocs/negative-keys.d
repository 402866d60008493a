/* Negative keys. */
#pragma D option quiet


BEGIN
{
	a[-1] = 10;
	a[0] = 20;
	a[1] = 30;
	printf("%d %d %d\n", a[-1], a[0], a[1]);
	exit(0);
}
