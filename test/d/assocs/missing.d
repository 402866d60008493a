/* An element that was never assigned is 0; reading does not make it. */
#pragma D option quiet


BEGIN
{
	a[1] = 10;
	b["x"] = 20;
	printf("%d %d %d\n", a[99], b["y"], a[99]);
	exit(0);
}
