/* Two operators. */

BEGIN
{
	trace(3 * / 4);
	exit(0);
}
