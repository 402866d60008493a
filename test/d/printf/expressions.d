/* Arguments are expressions, with their side effects in order. */
#pragma D option quiet


BEGIN
{
	i = 1;
	printf("%d %d %d\n", i++, i++, i++);
	printf("%d\n", i);
	exit(0);
}
