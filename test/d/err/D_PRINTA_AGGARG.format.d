/* Printa() of a number with a format. */

BEGIN
{
	x = 1;
	printa("%@d", x);
}
