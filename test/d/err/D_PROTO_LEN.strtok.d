/* strtok() has two arguments. */

BEGIN
{
	trace(strtok("a,b"));
	exit(0);
}
