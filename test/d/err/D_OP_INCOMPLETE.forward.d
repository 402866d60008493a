/* A member through a pointer to an unknown structure. */

struct nowhere *p;

BEGIN
{
	trace(p->x);
}
