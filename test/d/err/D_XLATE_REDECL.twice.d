/* A translator declared twice. */

struct s {
	int a;
};

translator struct s < int *i > {
	a = 1;
};

translator struct s < int *i > {
	a = 2;
};

BEGIN
{
	exit(0);
}
