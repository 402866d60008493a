/* The argument of an inline has a type. */

inline int twice[int x] = x * 2;

BEGIN
{
	trace(twice["a"]);
	exit(0);
}
