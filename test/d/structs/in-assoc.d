/* Elements of an associative array that are structures. */
#pragma D option quiet


struct pair {
	int a;
	int64_t b;
};

struct pair table[int];

BEGIN
{
	table[1].a = 5;
	table[1].b = -6;
	table[2].a = 7;
	printf("%d %d %d %d\n", table[1].a, table[1].b, table[2].a, table[2].b);
	table[2] = table[1];
	printf("%d %d\n", table[2].a, table[2].b);
	exit(0);
}
