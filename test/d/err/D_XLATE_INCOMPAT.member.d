/* A member translated from the wrong type. */

struct s {
	int a;
};

translator struct s < int *i > {
	a = "text";
};

BEGIN
{
	exit(0);
}
