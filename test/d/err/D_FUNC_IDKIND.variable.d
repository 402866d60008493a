/* A call of a variable of the program. */

int v;

BEGIN
{
	x = v(1);
}
