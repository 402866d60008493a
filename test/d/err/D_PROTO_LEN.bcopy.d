/* bcopy() has three arguments. */

BEGIN
{
	bcopy(alloca(8), alloca(8));
	exit(0);
}
