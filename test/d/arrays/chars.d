/* Arrays of bytes wrap at a byte. */
#pragma D option quiet


uint8_t b[4];

BEGIN
{
	b[0] = 255;
	b[0]++;
	b[1] = 300;
	b[2] = -1;
	printf("%d %d %d %d\n", b[0], b[1], b[2], b[3]);
	exit(0);
}
