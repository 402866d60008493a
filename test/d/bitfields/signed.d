/* A signed bit-field has a sign. */
#pragma D option quiet


struct bits {
	int a : 4;
	int b : 4;
};

struct bits b;

BEGIN
{
	b.a = 7;
	b.b = -8;
	printf("%d %d\n", b.a, b.b);
	b.a = 15;
	printf("%d\n", b.a);
	exit(0);
}
