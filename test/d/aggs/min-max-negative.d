/* min() and max() compare as signed values. */
#pragma D option quiet


BEGIN
{
	@low = min(-1);
	@high = max(-20);
	@low = min(-20);
	@high = max(-1);
	@low = min(5);
	exit(0);
}
