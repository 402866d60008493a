/* A named bit-field of no width. */

struct s {
	int a : 0;
};

BEGIN
{
	exit(0);
}
