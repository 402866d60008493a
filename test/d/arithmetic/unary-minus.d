/* Negation, twice and of unsigned values. */
#pragma D option quiet


BEGIN
{
	a = 5;
	u = (uint32_t)1;
	printf("%d %d %d\n", -a, - -a, -(a - 9));
	printf("%u\n", -u);
	exit(0);
}
