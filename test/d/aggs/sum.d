/* sum() adds signed 64-bit values. */
#pragma D option quiet


BEGIN
{
	@up = sum(10);
	@up = sum(32);
	@down = sum(-10);
	@down = sum(3);
	@none = sum(0);
	exit(0);
}
