/* What does not fit is cut off. */
#pragma D option quiet


struct bits {
	unsigned int a : 3;
	unsigned int b : 5;
};

struct bits b;

BEGIN
{
	b.a = 9;
	b.b = 33;
	printf("%d %d\n", b.a, b.b);
	exit(0);
}
