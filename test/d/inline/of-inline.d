/* Inlines that use inlines. */
#pragma D option quiet


inline int base = 100;
inline int next = base + 1;

BEGIN
{
	printf("%d %d\n", base, next);
	exit(0);
}
