/* max() has one argument. */

BEGIN
{
	@ = max(1, 2);
	exit(0);
}
