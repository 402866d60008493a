/* Assigning to a narrower variable keeps the low bytes. */
#pragma D option quiet


uint8_t b;
int16_t h;
int32_t w;

BEGIN
{
	b = 0x1234;
	h = 0x18000;
	w = 0x1ffffffff;
	printf("%d %d %d\n", b, h, w);
	exit(0);
}
