/* -> on a structure. */

struct s {
	int y;
};

struct s v;

BEGIN
{
	trace(v->y);
}
