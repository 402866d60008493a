/* trace() prints an integer in the width of its type, a string to the left of 33 columns. */

BEGIN
{
	trace((char)1);
	trace((short)2);
	trace(3);
	trace(4LL);
	trace("text");
	exit(0);
}
