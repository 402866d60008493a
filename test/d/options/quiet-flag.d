/* The -q option. */

BEGIN
{
	trace(5);
	trace("\n");
	exit(0);
}
