/* Statements after an if see what it did. */
#pragma D option quiet


BEGIN
{
	x = 1;
	if (x == 1)
		x = 2;
	if (x == 2)
		x = 3;
	printf("%d\n", x);
	exit(0);
}
