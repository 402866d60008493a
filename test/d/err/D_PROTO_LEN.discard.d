/* discard() needs an id. */

BEGIN
{
	discard();
	exit(0);
}
