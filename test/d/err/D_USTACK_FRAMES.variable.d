/* Ustack() of a variable number of frames. */

BEGIN
{
	x = 5;
	ustack(x);
}
