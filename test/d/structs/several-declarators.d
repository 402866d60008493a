/* Several members in one declaration. */
#pragma D option quiet


struct s {
	int a, b, *p;
	char c, d[2];
};

BEGIN
{
	printf("%d %d %d %d %d %d\n", offsetof(struct s, a), offsetof(struct s, b), offsetof(struct s, p),
	    offsetof(struct s, c), offsetof(struct s, d), sizeof (struct s));
	exit(0);
}
