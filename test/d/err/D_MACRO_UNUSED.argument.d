/* An argument that nothing uses. */

BEGIN
{
	exit(0);
}
