/* Void with a name. */

extern int f(void v);

BEGIN
{
	exit(0);
}
