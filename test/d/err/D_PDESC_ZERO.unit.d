/* There is no such unit. */

tick-1fortnight
{
	exit(0);
}
