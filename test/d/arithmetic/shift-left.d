/* Left shifts of int and of 64-bit values. */
#pragma D option quiet


BEGIN
{
	a = 1;
	b = 1LL;
	printf("%d %d %d\n", a << 0, a << 4, a << 30);
	printf("%d %x\n", b << 40, b << 63);
	exit(0);
}
