/* The ten compound assignments. */
#pragma D option quiet


BEGIN
{
	a = 10; a += 5; printf("%d ", a);
	a -= 3; printf("%d ", a);
	a *= 4; printf("%d ", a);
	a /= 5; printf("%d ", a);
	a %= 5; printf("%d\n", a);
	b = 0xff; b &= 0x3c; printf("%x ", b);
	b |= 0x100; printf("%x ", b);
	b ^= 0x1; printf("%x ", b);
	b <<= 4; printf("%x ", b);
	b >>= 8; printf("%x\n", b);
	exit(0);
}
