/* An unsigned int meets a long as a long: the comparison is signed. */
#pragma D option quiet


BEGIN
{
	u = (uint32_t)5;
	l = -1LL;
	printf("%d %d\n", l < u, l + u);
	exit(0);
}
