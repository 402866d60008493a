/* An inline of a known name. */

int x;

inline int x = 5;

BEGIN
{
	exit(0);
}
