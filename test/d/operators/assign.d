/* An assignment is an expression and associates to the right. */
#pragma D option quiet


BEGIN
{
	x = y = 5;
	z = (x = 7) + 1;
	printf("%d %d %d\n", x, y, z);
	exit(0);
}
