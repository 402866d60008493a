/* The offset of a member of a pointer. */

struct s {
	int a;
};

BEGIN
{
	trace(offsetof(struct s *, a));
}
