/* The members of a union share their bytes. */
#pragma D option quiet


union word {
	uint32_t w;
	uint16_t h[2];
	uint8_t b[4];
};

union word u;

BEGIN
{
	u.w = 0x04030201;
	printf("%x %x %x %x\n", u.h[0], u.h[1], u.b[0], u.b[3]);
	u.b[1] = 0xff;
	printf("%x %d\n", u.w, sizeof (u));
	exit(0);
}
