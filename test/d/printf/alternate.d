/* The # flag. */
#pragma D option quiet


BEGIN
{
	printf("%#x %#X %#o\n", 255, 255, 8);
	printf("%#x %#o\n", 0, 0);
	exit(0);
}
