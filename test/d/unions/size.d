/* A union is as large as its largest member and aligned as its strictest. */
#pragma D option quiet


union u {
	char c;
	int i;
	long l;
	char text[9];
};

struct holder {
	char first;
	union u second;
};

BEGIN
{
	printf("%d %d %d\n", sizeof (union u), offsetof(union u, l), offsetof(struct holder, second));
	exit(0);
}
