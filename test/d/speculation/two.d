/* Two speculations are apart. */
#pragma D option quiet

#pragma D option nspec=2

BEGIN
{
	a = speculation();
	b = speculation();
}

BEGIN
{
	speculate(a);
	printf("a\n");
}

BEGIN
{
	speculate(b);
	printf("b\n");
}

BEGIN
{
	commit(b);
}

BEGIN
{
	discard(a);
}

BEGIN
{
	exit(0);
}
