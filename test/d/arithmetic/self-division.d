/* A value divided by itself, and by one, in every width. */
#pragma D option quiet


BEGIN
{
	a = (char)-100;
	b = (short)-30000;
	c = -2000000000;
	d = -9000000000000000000LL;
	printf("%d %d %d %d\n", a / a, b / b, c / c, d / d);
	printf("%d %d %d %d\n", a / 1, b / 1, c / 1, d / 1);
	printf("%d %d %d %d\n", a % 7, b % 7, c % 7, d % 7);
	exit(0);
}
