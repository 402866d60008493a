/* Tracemem() of no bytes. */

BEGIN
{
	tracemem(8, 0);
}
