/* String keys order by their bytes: upper case before lower, a prefix before what it begins. */
#pragma D option quiet

#pragma D option aggsortkey

BEGIN
{
	@["ab"] = count();
	@["B"] = count();
	@["a"] = count();
	@["abc"] = count();
	exit(0);
}
