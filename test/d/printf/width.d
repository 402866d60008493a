/* Field widths, right and left justified, zero padded. */
#pragma D option quiet


BEGIN
{
	printf("[%5d][%-5d][%05d]\n", 42, 42, 42);
	printf("[%5d][%-5d][%05d]\n", -42, -42, -42);
	printf("[%2d][%-2d][%02d]\n", 12345, 12345, 12345);
	printf("[%8x][%-8x][%08x]\n", 255, 255, 255);
	exit(0);
}
