/* Negative keys come before positive ones. */
#pragma D option quiet

#pragma D option aggsortkey

BEGIN
{
	@[1] = count();
	@[-1] = count();
	@[0] = count();
	@[-10] = count();
	exit(0);
}
