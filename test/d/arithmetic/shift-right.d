/* A right shift keeps the sign of a signed value and brings zeros into an unsigned one. */
#pragma D option quiet


BEGIN
{
	a = -16;
	b = (uint32_t)0x80000000;
	c = -1LL;
	d = (uint64_t)0x8000000000000000;
	printf("%d %x\n", a >> 2, b >> 4);
	printf("%d %x\n", c >> 63, d >> 60);
	exit(0);
}
