/* speculate() needs an id. */

BEGIN
{
	speculate();
	exit(0);
}
