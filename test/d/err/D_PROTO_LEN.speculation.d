/* Speculation() with an argument. */

BEGIN
{
	x = speculation(1);
}
