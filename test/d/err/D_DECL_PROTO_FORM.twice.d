/* One parameter name twice. */

extern int f(int a, int a);

BEGIN
{
	exit(0);
}
