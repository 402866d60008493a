/* The type of a shift is the left operand's. */
#pragma D option quiet


BEGIN
{
	i = 1;
	l = 1LL;
	printf("%d %d\n", sizeof (i << l), sizeof (l << i));
	exit(0);
}
