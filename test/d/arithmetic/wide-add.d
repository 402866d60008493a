/* 64-bit sums wrap. */
#pragma D option quiet


BEGIN
{
	a = 0x7fffffffffffffff;
	printf("%d\n", a + 1);
	b = (uint64_t)0xffffffffffffffff;
	printf("%u\n", b + 2);
	c = -9223372036854775807LL;
	printf("%d\n", c - 2);
	exit(0);
}
