/* Expressions of #if: defined, arithmetic, comparison, names that are nothing. */
#pragma D option quiet

#define A 3
#define B (A + 1)
#if defined(A) && !defined(C) && B * 2 == 8
#define ONE 1
#else
#define ONE 0
#endif
#if C
#define TWO 0
#elif A > 2 || 1 / 0
#define TWO 2
#endif
#if 'a' == 97 && (A ? 5 : 0) == 5 && -1 < 0u + 1 == 0
#define THREE 3
#endif

BEGIN
{
	printf("%d %d\n", ONE, TWO);
	exit(0);
}
