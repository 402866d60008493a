/* Without droptags the tag is left out. */
#pragma D option quiet
#pragma D option aggsize=16


BEGIN
{
	@a[1] = count();
	@a[2] = count();
	exit(0);
}
