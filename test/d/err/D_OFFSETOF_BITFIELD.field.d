/* The offset of a bit-field. */

struct s {
	int a : 3;
	int b : 4;
};

BEGIN
{
	trace(offsetof(struct s, b));
}
