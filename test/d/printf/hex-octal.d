/* %x, %X and %o. */
#pragma D option quiet


BEGIN
{
	printf("%x %X %o\n", 0xdeadbeef, 0xdeadbeef, 8);
	printf("%x %x %x %x\n", (char)-1, (short)-1, -1, -1LL);
	printf("%o %o\n", (char)-1, 0);
	exit(0);
}
