/* Elements of equal value print in the order of their keys. */
#pragma D option quiet


BEGIN
{
	@[3, "a"] = count();
	@[1, "z"] = count();
	@[1, "b"] = count();
	@[2, "m"] = count();
	exit(0);
}
