/* A storage class for an inline. */

inline self int x = 5;

BEGIN
{
	exit(0);
}
