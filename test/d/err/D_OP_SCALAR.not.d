/* ! of a string. */

BEGIN
{
	x = !"a";
}
