/* A translation of an unknown member. */

struct s {
	int a;
};

translator struct s < int *i > {
	b = 1;
};

BEGIN
{
	exit(0);
}
