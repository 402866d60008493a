/* Declarations count before any clause, wherever they stand. */

BEGIN
{
	x = 1;
}

string x;

BEGIN
{
	exit(0);
}
