/* An unknown name in a predicate. */

BEGIN
/nosuch/
{
	trace(1);
}
