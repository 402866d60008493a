/* %s of an integer key. */

BEGIN
{
	@[1] = count();
	printa("%s %@d", @);
}
