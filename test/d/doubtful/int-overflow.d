/*
 * A sum of two ints that overflows wraps at 32 bits when it is compared or widened, as C compilers do it. DIF computes in 64-bit registers, where it does not.
 */
#pragma D option quiet


BEGIN
{
	a = 2147483647;
	printf("%d %d\n", a + 1 < 0, (int64_t)(a + 1));
	exit(0);
}
