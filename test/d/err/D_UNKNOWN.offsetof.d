/* The offset of an unknown member. */

struct s {
	int a;
};

BEGIN
{
	trace(offsetof(struct s, b));
}
