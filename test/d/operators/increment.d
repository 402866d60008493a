/* Prefix and postfix increments and decrements: the value before or after. */
#pragma D option quiet


BEGIN
{
	a = 5;
	printf("%d ", a++);
	printf("%d ", a);
	printf("%d ", ++a);
	printf("%d ", a--);
	printf("%d ", --a);
	printf("%d\n", a);
	exit(0);
}
