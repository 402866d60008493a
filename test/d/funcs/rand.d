/* rand() is an int, and does not always give the same one. */
#pragma D option quiet


BEGIN
{
	printf("%d\n", sizeof (rand()));
	a = rand();
	b = rand();
	c = rand();
	printf("%d\n", a == b && b == c);
	exit(0);
}
