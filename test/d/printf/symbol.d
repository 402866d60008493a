/* %a of an address without a symbol is the address. */
#pragma D option quiet


BEGIN
{
	printf("[%a]\n", 0x1234);
	exit(0);
}
