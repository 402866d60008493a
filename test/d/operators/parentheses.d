/* Nested parentheses. */
#pragma D option quiet


BEGIN
{
	x = ((((((1 + 2)) * ((3)))))) - (0);
	printf("%d\n", x);
	exit(0);
}
