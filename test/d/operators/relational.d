/* Relational operators give 0 or 1 and associate to the left. */
#pragma D option quiet


BEGIN
{
	x = 5;
	printf("%d %d\n", 1 < x, x < 1);
	printf("%d %d\n", 9 > x > 1, 3 > 2 == 1);
	printf("%d\n", x == 5 != 0);
	exit(0);
}
