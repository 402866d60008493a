/* Options by -x. */

BEGIN
{
	@["b"] = sum(1);
	@["a"] = sum(2);
	exit(0);
}
