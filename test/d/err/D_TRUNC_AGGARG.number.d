/* Trunc() of a number. */

BEGIN
{
	x = 1;
	trunc(x);
}
