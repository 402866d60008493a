/* A variable of one byte wraps at its width. */
#pragma D option quiet


uint8_t byte;
int8_t small;

BEGIN
{
	byte = 255;
	byte++;
	small = 127;
	small++;
	printf("%d %d\n", byte, small);
	exit(0);
}
