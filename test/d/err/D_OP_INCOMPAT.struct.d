/* One structure assigned to another. */

struct a {
	int x;
};

struct b {
	int x;
};

struct a va;

struct b vb;

BEGIN
{
	va = vb;
}
