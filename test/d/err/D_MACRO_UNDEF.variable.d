/* An unknown macro variable. */

BEGIN
{
	trace($nosuch);
}
