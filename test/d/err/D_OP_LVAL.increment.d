/* A constant incremented. */

BEGIN
{
	++5;
}
