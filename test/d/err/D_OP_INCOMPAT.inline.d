/* An inline of the wrong type. */

inline string s = 5;

BEGIN
{
	trace(s);
}
