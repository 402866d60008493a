/* An unknown provider. */

nosuch:::
{
	trace(1);
}
