/* Escapes in the format string itself. */
#pragma D option quiet


BEGIN
{
	printf("a\x41\101\n");
	printf("one\ttwo\n");
	printf("it's\n");
	exit(0);
}
