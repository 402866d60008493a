/* %c of a 64-bit value. */

BEGIN
{
	printf("%c", 5LL);
}
