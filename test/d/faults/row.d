/* A faulting clause leaves no row. */

BEGIN
{
	trace(*(int *)4);
}

BEGIN
{
	exit(0);
}
