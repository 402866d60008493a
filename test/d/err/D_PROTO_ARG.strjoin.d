/* strjoin() takes strings. */

BEGIN
{
	trace(strjoin("a", 1));
	exit(0);
}
