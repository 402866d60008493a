/* Ustack() with a negative size. */

BEGIN
{
	ustack(1, -1);
}
