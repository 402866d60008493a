/* An associative array without a key. */

BEGIN
{
	a[1] = 2;
	trace(a);
}
