/* The bytes of a number through a union, little end first. */
#pragma D option quiet


union view {
	uint32_t word;
	uint8_t bytes[4];
	struct {
		uint16_t low;
		uint16_t high;
	} halves;
} v;

BEGIN
{
	v.word = 0x11223344;
	printf("%x %x %x %x\n", v.bytes[0], v.bytes[3], v.halves.low, v.halves.high);
	v.bytes[1] = 0xff;
	printf("%x\n", v.word);
	exit(0);
}
