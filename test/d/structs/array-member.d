/* Arrays in structures. */
#pragma D option quiet


struct table {
	int n;
	int v[4];
};

struct table t;

BEGIN
{
	t.n = 4;
	t.v[0] = 10;
	t.v[3] = 40;
	i = 3;
	printf("%d %d %d %d\n", t.v[0], t.v[1], t.v[i], sizeof (t));
	exit(0);
}
