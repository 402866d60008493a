/* ++ is taken as long as it can be: a+++++b. */

BEGIN
{
	a = 1;
	b = 1;
	c = a+++++b;
	exit(0);
}
