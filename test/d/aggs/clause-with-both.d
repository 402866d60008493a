/* A clause that aggregates and records leaves one row. */

BEGIN
{
	@ = count();
	trace(7);
	exit(0);
}
