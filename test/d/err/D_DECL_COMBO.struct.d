/* A structure and an int. */

struct s {
	int a;
};

struct s int x;

BEGIN
{
	exit(0);
}
