/* A structure cast to a number. */

struct s {
	int a;
};

struct s v;

BEGIN
{
	x = (int)v;
}
