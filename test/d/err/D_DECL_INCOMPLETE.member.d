/* A member of an unknown structure. */

struct s {
	struct nowhere x;
};

BEGIN
{
	exit(0);
}
