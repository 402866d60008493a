/* A function is no variable. */

BEGIN
{
	trace(sizeof (strlen));
	exit(0);
}
