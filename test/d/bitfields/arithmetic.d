/* A bit-field in expressions. */
#pragma D option quiet


struct bits {
	unsigned int lo : 6;
	unsigned int hi : 6;
};

struct bits b;

BEGIN
{
	b.lo = 60;
	b.hi = 3;
	printf("%d %d %d\n", b.lo + b.hi, b.lo > b.hi, b.lo / b.hi);
	b.lo++;
	b.hi += 2;
	printf("%d %d\n", b.lo, b.hi);
	exit(0);
}
