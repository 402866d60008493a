/* A bit-field of negative width. */

struct s {
	int a : -3;
};

BEGIN
{
	exit(0);
}
