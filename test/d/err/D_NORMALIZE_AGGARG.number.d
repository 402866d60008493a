/* Normalize() of a number. */

BEGIN
{
	x = 1;
	normalize(x, 5);
}
