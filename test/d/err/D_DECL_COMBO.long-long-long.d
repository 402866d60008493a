/* Long three times. */

long long long x;

BEGIN
{
	exit(0);
}
