/* The type of an expression decides. */

BEGIN
{
	i = 6;
	l = 7LL;
	trace(i * 7);
	trace(l * 6);
	trace(i == 6);
	trace(sizeof (i));
	exit(0);
}
