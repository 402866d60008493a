/* Tracemem() of a string. */

BEGIN
{
	tracemem("text", 4);
}
