/* Declarations may stand between clauses. */
#pragma D option quiet


BEGIN
{
	x = 1;
}

int64_t y;

BEGIN
{
	y = x + 1;
	printf("%d %d\n", y, sizeof (y));
}

struct late {
	int a;
};

BEGIN
{
	printf("%d\n", sizeof (struct late));
	exit(0);
}
