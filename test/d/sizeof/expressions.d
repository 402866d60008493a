/* sizeof does not evaluate its operand. */
#pragma D option quiet


BEGIN
{
	i = 1;
	n = sizeof (i++);
	printf("%d %d\n", n, i);
	printf("%d %d\n", sizeof i, sizeof (i) + 1);
	exit(0);
}
