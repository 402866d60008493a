/* The five operators on constants and on variables. */
#pragma D option quiet


BEGIN
{
	a = 17;
	b = 5;
	printf("%d %d %d %d %d\n", 17 + 5, 17 - 5, 17 * 5, 17 / 5, 17 % 5);
	printf("%d %d %d %d %d\n", a + b, a - b, a * b, a / b, a % b);
	exit(0);
}
