/* An element as the key of another array. */
#pragma D option quiet


BEGIN
{
	a["x"] = 5;
	b[5] = 50;
	c[50] = 500;
	printf("%d\n", c[b[a["x"]]]);
	exit(0);
}
