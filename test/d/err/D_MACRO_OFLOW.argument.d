/* An argument beyond 64 bits. */

BEGIN
{
	trace($1);
}
