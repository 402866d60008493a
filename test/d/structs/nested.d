/* Structures within structures. */
#pragma D option quiet


struct in {
	int x;
	int y;
};

struct out {
	int before;
	struct in mid;
	int after;
};

struct out o;

BEGIN
{
	o.before = 1;
	o.mid.x = 2;
	o.mid.y = 3;
	o.after = 4;
	printf("%d %d %d %d\n", o.before, o.mid.x, o.mid.y, o.after);
	printf("%d %d\n", offsetof(struct out, mid), sizeof (o.mid));
	exit(0);
}
