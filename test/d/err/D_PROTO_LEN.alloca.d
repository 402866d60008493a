/* alloca() needs a size. */

BEGIN
{
	p = alloca();
	exit(0);
}
