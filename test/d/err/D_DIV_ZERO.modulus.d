/* Found before it happens. */

BEGIN
{
	x = 5;
	y = x % 0;
	exit(0);
}
