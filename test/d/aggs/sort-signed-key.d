/* Keys are ordered as unsigned numbers, so negative ones come last; they are printed as signed ones. */
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
