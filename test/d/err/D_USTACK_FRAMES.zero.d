/* Ustack() of no frames. */

BEGIN
{
	ustack(0);
}
