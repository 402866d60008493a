/* Tracemem() of a negative number of bytes. */

BEGIN
{
	tracemem(8, -4);
}
