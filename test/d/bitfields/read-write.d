/* Bit-fields hold their width, without a sign when unsigned. */
#pragma D option quiet


struct bits {
	unsigned int a : 1;
	unsigned int b : 3;
	unsigned int c : 4;
	unsigned int d : 8;
};

struct bits b;

BEGIN
{
	b.a = 1;
	b.b = 5;
	b.c = 15;
	b.d = 200;
	printf("%d %d %d %d\n", b.a, b.b, b.c, b.d);
	b.b = 0;
	printf("%d %d %d %d\n", b.a, b.b, b.c, b.d);
	exit(0);
}
