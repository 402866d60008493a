/* A void inline. */

inline void v = 5;

BEGIN
{
	exit(0);
}
