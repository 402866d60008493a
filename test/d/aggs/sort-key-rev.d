/* aggsortkey and aggsortrev together. */
#pragma D option quiet

#pragma D option aggsortkey
#pragma D option aggsortrev

BEGIN
{
	@[1] = sum(5);
	@[3] = sum(4);
	@[2] = sum(9);
	exit(0);
}
