/* A string as a predicate. */

BEGIN
/probename/
{
	trace(1);
}
