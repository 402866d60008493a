/* The input may be any type. */
#pragma D option quiet


struct flags {
	int low;
	int high;
};

translator struct flags < int v > {
	low = v & 0xf;
	high = (v >> 4) & 0xf;
};

BEGIN
{
	x = 0x5a;
	printf("%x %x\n", xlate <struct flags> (x).low, xlate <struct flags> (x).high);
	exit(0);
}
