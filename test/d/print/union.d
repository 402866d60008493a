/* A union shows all of its members. */
#pragma D option quiet


struct s {
	int kind;
	union {
		int number;
		char letter;
	} u;
} v;

BEGIN
{
	v.u.number = 0x41;
	print(v);
	exit(0);
}
