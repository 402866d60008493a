/* Division by the constant 0. */

BEGIN
{
	x = 5;
	y = x / 0;
}
