/* The comma operator evaluates both and gives the second. */
#pragma D option quiet


BEGIN
{
	x = (y = 3, y + 1);
	printf("%d %d\n", x, y);
	printf("%d\n", (1, 2, 3));
	exit(0);
}
