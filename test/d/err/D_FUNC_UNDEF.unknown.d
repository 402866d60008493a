/* A call of an unknown function. */

BEGIN
{
	x = nosuch(1);
}
