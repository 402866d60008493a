/* An inline constant. */
#pragma D option quiet


inline int limit = 10;
inline string name = "fixed";

BEGIN
{
	printf("%d %s %d\n", limit, name, limit * 2);
	exit(0);
}
