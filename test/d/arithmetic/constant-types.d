/* The type of a constant is the first in C's list that holds it. */
#pragma D option quiet


BEGIN
{
	printf("%d %d\n", sizeof (2147483647), sizeof (2147483648));
	printf("%d %d\n", sizeof (0xffffffff), sizeof (0x100000000));
	printf("%d %d %d\n", sizeof (1U), sizeof (1L), sizeof (1LL));
	printf("%d\n", sizeof ('a'));
	printf("%u\n", 18446744073709551615ULL);
	exit(0);
}
