/* -> on an int. */

BEGIN
{
	x = 1;
	trace(x->y);
}
