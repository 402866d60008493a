/* A translated structure. */
#pragma D option quiet


struct in { int a; };
typedef struct out { uint8_t v; uint16_t w; uint64_t x; uint8_t z; string s; } out_t;

translator out_t < struct in *P >
{
	v = 0x8877665544332211;
	w = 0x8877665544332211;
	x = 0x8877665544332211;
	s = strjoin("two ", "parts");
};

BEGIN
{
	print(*(xlate < out_t * > ((struct in *)NULL)));
}

BEGIN
{
	exit(0);
}
