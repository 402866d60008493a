/* Structures in structures. */
#pragma D option quiet


struct inner {
	short a;
	char c;
};

struct outer {
	struct inner in;
	int n;
};

struct outer o;

BEGIN
{
	o.in.a = 2;
	o.in.c = 'q';
	o.n = 3;
	print(o);
	printf("\n");
	exit(0);
}
