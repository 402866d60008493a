/* offsetof in constant expressions. */
#pragma D option quiet


struct s {
	char pad[12];
	int mark;
	union {
		char a;
		long b;
	} u;
};

int a[offsetof(struct s, mark)];

BEGIN
{
	printf("%d %d %d\n", offsetof(struct s, mark), offsetof(struct s, u), sizeof (a));
	exit(0);
}
