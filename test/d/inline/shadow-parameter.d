/* A parameter hides a global variable of its name. */
#pragma D option quiet


int x;

inline int twice[int x] = x * 2;

BEGIN
{
	x = 100;
	printf("%d %d\n", twice[4], x);
	exit(0);
}
