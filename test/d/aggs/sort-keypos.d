/* aggsortkeypos names the key to sort by, from 0; the rest follow in turn. */
#pragma D option quiet

#pragma D option aggsortkey
#pragma D option aggsortkeypos=1

BEGIN
{
	@[1, 30] = count();
	@[2, 20] = count();
	@[3, 10] = count();
	@[0, 20] = count();
	exit(0);
}
