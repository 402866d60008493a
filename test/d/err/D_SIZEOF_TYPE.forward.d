/* The size of an unknown structure. */

BEGIN
{
	trace(sizeof (struct nowhere));
}
