/* Typed arguments outside any clause. */

inline int first = args[0];

BEGIN
{
	trace(first);
}
