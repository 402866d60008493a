/* %u shows the bits of the value's own width as an unsigned number. */
#pragma D option quiet


BEGIN
{
	printf("%u %u %u %u\n", (char)-1, (short)-1, -1, -1LL);
	printf("%u\n", 7);
	exit(0);
}
