/* A union in a structure. */
#pragma D option quiet


struct value {
	int kind;
	union {
		int i;
		char c;
	} u;
};

struct value v;

BEGIN
{
	v.kind = 1;
	v.u.i = 65;
	printf("%d %d %c\n", v.kind, v.u.i, v.u.c);
	exit(0);
}
