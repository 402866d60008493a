/* A constant divided by 0. */

BEGIN
{
	x = 1 / 0;
}
