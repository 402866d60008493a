/* The number of no probe. */

999999999
{
	trace(1);
}
