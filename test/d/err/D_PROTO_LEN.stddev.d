/* stddev() has one argument. */

BEGIN
{
	@ = stddev();
	exit(0);
}
