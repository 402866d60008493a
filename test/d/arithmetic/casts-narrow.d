/* A cast to a narrower type keeps the low bytes. */
#pragma D option quiet


BEGIN
{
	x = 0x123456789abcdef0;
	printf("%x %x %x\n", (uint8_t)x, (uint16_t)x, (uint32_t)x);
	printf("%d %d %d\n", (int8_t)x, (int16_t)x, (int32_t)x);
	printf("%d\n", (int8_t)0x1ff);
	exit(0);
}
