/* %p is hexadecimal; %? is the width of a pointer. */
#pragma D option quiet


BEGIN
{
	printf("[%p][%p]\n", 0x1234, (void *)0xffffffff81000000);
	printf("[%?x]\n", 0x1234);
	printf("[%?p]\n", 0xffffffff81000000);
	printf("[%-?d]\n", 5);
	exit(0);
}
