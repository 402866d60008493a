/* Clauses do not nest. */

BEGIN
{
	tick-1s
	{
		exit(0);
	}
}
