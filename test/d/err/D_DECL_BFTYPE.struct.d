/* A structure as a bit-field. */

struct t {
	int a;
};

struct s {
	struct t p : 3;
};

BEGIN
{
	exit(0);
}
