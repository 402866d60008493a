/* A variable is 0 until it is assigned. */
#pragma D option quiet


int number;
int64_t wide;
char byte;

BEGIN
{
	printf("%d %d %d\n", number, wide, byte);
	exit(0);
}
