/* Args[] with an index that is no constant. */

BEGIN
{
	x = 0;
	trace(args[x]);
}
