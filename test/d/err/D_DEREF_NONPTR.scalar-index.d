/* A scalar with an index. */

int x;

BEGIN
{
	trace(x[1]);
}
