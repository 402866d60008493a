/* The conditional operator's result cannot be assigned to. */

BEGIN
{
	a = 1;
	b = 2;
	(a ? a : b) = 3;
	exit(0);
}
