/* An inline with parameters. */
#pragma D option quiet


inline int square[int x] = x * x;
inline int64_t total[int64_t a, int64_t b] = a + b;

BEGIN
{
	i = 3;
	printf("%d %d %d\n", square[5], square[i + 1], total[square[2], i]);
	exit(0);
}
