/* Short twice. */

short short x;

BEGIN
{
	exit(0);
}
