/* The second description of a list. */

BEGIN, dtrace:::NOSUCH
{
	trace(1);
}
