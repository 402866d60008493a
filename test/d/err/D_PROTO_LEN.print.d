/* print() has one argument. */

BEGIN
{
	print();
	exit(0);
}
