/* Void and something else. */

extern int f(void, int);

BEGIN
{
	exit(0);
}
