/* The precision of an integer is its least number of digits. */
#pragma D option quiet


BEGIN
{
	printf("[%.5d][%.3x][%8.3d][%-8.3d]\n", 42, 10, 7, 7);
	printf("[%.1d]\n", 12345);
	exit(0);
}
