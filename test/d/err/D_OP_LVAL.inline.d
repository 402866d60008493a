/* An inline is no variable. */

inline int five = 5;

BEGIN
{
	five = 6;
	exit(0);
}
