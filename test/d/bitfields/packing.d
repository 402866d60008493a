/* They are packed from the lowest bit up. */
#pragma D option quiet


struct bits {
	unsigned int a : 4;
	unsigned int b : 4;
	unsigned int c : 8;
};

union both {
	struct bits f;
	unsigned int w;
};

union both u;

BEGIN
{
	u.w = 0xabc321;
	printf("%x %x %x\n", u.f.a, u.f.b, u.f.c);
	exit(0);
}
