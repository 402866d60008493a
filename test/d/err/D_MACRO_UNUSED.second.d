/* The last of two arguments unused. */

BEGIN
{
	trace($1);
	exit(0);
}
