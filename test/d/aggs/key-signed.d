/* Signed keys of 4 and 8 bytes print with their sign. */
#pragma D option quiet


BEGIN
{
	@[-1, -2LL] = count();
	exit(0);
}
