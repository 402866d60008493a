/* commit() needs an id. */

BEGIN
{
	commit();
	exit(0);
}
