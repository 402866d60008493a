/* The first assignment gives a variable its type. */
#pragma D option quiet


BEGIN
{
	a = 1;
	b = 1LL;
	c = (char)1;
	d = (short)1;
	e = timestamp;
	printf("%d %d %d %d %d\n", sizeof (a), sizeof (b), sizeof (c), sizeof (d), sizeof (e));
	exit(0);
}
