/* Any expression; the status is its low byte. */
#pragma D option quiet


BEGIN
{
	x = 40;
	exit(x + 2);
}
