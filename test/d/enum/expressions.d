/* Enumerators in expressions, and defined by earlier ones. */
#pragma D option quiet


enum flag { ONE = 1, TWO = 2, BOTH = 3 };

BEGIN
{
	printf("%d %d %d\n", ONE | TWO, BOTH & ~ONE, TWO << 3);
	x = TWO;
	printf("%d\n", x == TWO);
	exit(0);
}
