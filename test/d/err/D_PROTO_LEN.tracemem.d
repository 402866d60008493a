/* Tracemem() without a size. */

BEGIN
{
	tracemem(8);
}
