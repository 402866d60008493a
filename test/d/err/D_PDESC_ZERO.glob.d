/* A pattern that matches nothing. */

dtrace:::Z*
{
	trace(1);
}
