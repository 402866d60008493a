/* Members of a structure, read and written. */
#pragma D option quiet


struct record {
	char c;
	short s;
	int i;
	long l;
	string name;
};

struct record r;

BEGIN
{
	r.c = 'x';
	r.s = -2;
	r.i = 100000;
	r.l = 0x100000000;
	r.name = "rec";
	printf("%c %d %d %d %s\n", r.c, r.s, r.i, r.l, r.name);
	exit(0);
}
