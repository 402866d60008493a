/* A static parameter. */

extern int f(static int x);

BEGIN
{
	exit(0);
}
