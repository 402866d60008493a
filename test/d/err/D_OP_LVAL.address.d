/* The address of something is no variable. (0 goes with any pointer, so the types fit.) */

struct s { int a; } *p;

BEGIN
{
	&p->a = 0;
	exit(0);
}
