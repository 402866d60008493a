/* It serves as D's if in expressions. */
#pragma D option quiet


BEGIN
{
	n = 10;
	n > 5 ? low++ : high++;
	n < 5 ? low++ : high++;
	n > 5 ? low++ : high++;
	printf("%d %d\n", low, high);
	exit(0);
}
