/* min() and max() keep the smallest and the largest value, the first one included. */
#pragma D option quiet


BEGIN
{
	@low = min(7);
	@high = max(7);
	@low = min(3);
	@high = max(3);
	@low = min(11);
	@high = max(11);
	exit(0);
}
