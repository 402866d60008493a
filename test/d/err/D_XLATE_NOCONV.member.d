/* A member that the translator leaves out. */

struct s {
	int a;
	int b;
};

translator struct s < int *i > {
	a = 1;
};

BEGIN
{
	trace(xlate <struct s> ((int *)8).b);
}
