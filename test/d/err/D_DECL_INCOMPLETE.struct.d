/* A variable of an unknown structure. */

struct nowhere x;

BEGIN
{
	exit(0);
}
