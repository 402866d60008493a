/* A structure as a predicate. */

struct s {
	int a;
};

struct s v;

BEGIN
/v/
{
	trace(1);
}
