/* Both branches are brought to one type. */
#pragma D option quiet


BEGIN
{
	i = 1;
	l = 2LL;
	c = 1;
	printf("%d %d\n", sizeof (c ? i : l), c ? i : l);
	printf("%d\n", c ? (char)-1 : 1000);
	exit(0);
}
