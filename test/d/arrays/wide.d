/* Arrays of 64-bit values. */
#pragma D option quiet


int64_t w[3];

BEGIN
{
	w[0] = -1;
	w[2] = 0x7fffffffffffffff;
	printf("%d %d %d\n", w[0], w[1], w[2]);
	exit(0);
}
