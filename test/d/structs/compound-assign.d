/* Operators that assign, on members. */
#pragma D option quiet


struct tally {
	uint8_t small;
	int n;
};

struct tally c;

BEGIN
{
	c.n = 5;
	c.n += 10;
	c.n++;
	c.small = 255;
	c.small++;
	printf("%d %d\n", c.n, c.small);
	exit(0);
}
