/* The address of a variable. */

BEGIN
{
	y = 1;
	x = &y;
}
