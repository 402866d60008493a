/* Variables of every integer type hold its extremes. */
#pragma D option quiet


char c;
unsigned char uc;
short s;
unsigned short us;
int i;
unsigned int ui;
long l;
unsigned long ul;
long long ll;
unsigned long long ull;

BEGIN
{
	c = -128;
	uc = 255;
	s = -32768;
	us = 65535;
	i = -2147483647;
	ui = 4294967295;
	l = -9223372036854775807;
	ul = 18446744073709551615UL;
	ll = 9223372036854775807;
	ull = 18446744073709551615ULL;
	printf("%d %u\n%d %u\n%d %u\n%d %u\n%d %u\n", c, uc, s, us, i, ui, l, ul, ll, ull);
	exit(0);
}
