/* nspec is how many there are. */
#pragma D option quiet

#pragma D option nspec=3

BEGIN
{
	a = speculation();
	b = speculation();
	c = speculation();
	d = speculation();
	printf("%d %d %d %d\n", a, b, c, d);
	exit(0);
}
