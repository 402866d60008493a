/* Tracemem() of a variable number of bytes. */

BEGIN
{
	n = 4;
	tracemem(8, n);
}
