/* The address of a constant. */

BEGIN
{
	x = &5;
}
