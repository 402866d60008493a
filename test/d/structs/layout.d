/* C's layout for x86-64: members at multiples of their size, the whole at a multiple of the largest. */
#pragma D option quiet


struct mixed {
	char a;
	int b;
	char c;
	long d;
	short e;
};

BEGIN
{
	printf("%d %d %d %d %d\n", offsetof(struct mixed, a), offsetof(struct mixed, b), offsetof(struct mixed, c),
	    offsetof(struct mixed, d), offsetof(struct mixed, e));
	printf("%d\n", sizeof (struct mixed));
	exit(0);
}
