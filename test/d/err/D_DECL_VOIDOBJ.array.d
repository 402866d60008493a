/* An array of void. */

void v[5];

BEGIN
{
	exit(0);
}
