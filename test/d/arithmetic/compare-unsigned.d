/* A comparison with an unsigned operand of the same width is unsigned. */
#pragma D option quiet


BEGIN
{
	a = -1;
	u = (uint32_t)1;
	x = -1LL;
	y = (uint64_t)1;
	printf("%d %d\n", a < u, a > u);
	printf("%d %d\n", x < y, x > y);
	s = (unsigned char)255;
	printf("%d\n", s > -1);
	exit(0);
}
