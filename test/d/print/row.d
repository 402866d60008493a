/* In a row. */

BEGIN
{
	x = 10;
	print(x);
	exit(0);
}
