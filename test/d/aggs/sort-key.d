/* aggsortkey orders by key whatever the values. */
#pragma D option quiet

#pragma D option aggsortkey

BEGIN
{
	@[3] = sum(1);
	@[1] = sum(30);
	@[2] = sum(20);
	exit(0);
}
