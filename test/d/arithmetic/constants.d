/* Decimal, octal, hexadecimal and character constants. */
#pragma D option quiet


BEGIN
{
	printf("%d %d %d %d\n", 10, 010, 0x10, 0X1f);
	printf("%d %d %d\n", 'A', '\n', '\101');
	printf("%d %d\n", '\x41', '\0');
	printf("%d %d %d\n", 1u, 2L, 3ull);
	exit(0);
}
