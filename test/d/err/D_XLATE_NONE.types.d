/* No translator for these types. */

struct s {
	int a;
};

BEGIN
{
	x = 1;
	trace(xlate <struct s> (x).a);
}
