/* The arguments of an inline may use the inline. */
#pragma D option quiet


inline int pair[int a, int b] = a * 10 + b;

BEGIN
{
	printf("%d %d %d\n", pair[1, pair[2, 3]], pair[pair[1, 2], 3], pair[pair[1, 2], pair[3, pair[4, 5]]]);
	exit(0);
}
