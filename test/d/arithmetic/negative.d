/* Division truncates toward zero, the remainder has the sign of the dividend. */
#pragma D option quiet


BEGIN
{
	a = -17;
	b = 5;
	c = -5;
	printf("%d %d\n", a / b, a % b);
	printf("%d %d\n", 17 / c, 17 % c);
	printf("%d %d\n", a / c, a % c);
	exit(0);
}
