/* Actions joined by a comma. */

BEGIN
{
	trace(1), trace(2);
}
