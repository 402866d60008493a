/* The maximum of a structure. */

struct s {
	int a;
};

struct s v;

BEGIN
{
	@a = max(v);
}
