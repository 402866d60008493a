/* Comparisons of signed values of different widths. */
#pragma D option quiet


BEGIN
{
	a = -1;
	b = 1LL;
	c = (char)-5;
	printf("%d%d%d%d%d%d\n", a < b, a <= b, a > b, a >= b, a == b, a != b);
	printf("%d%d\n", c < a, c == -5);
	exit(0);
}
