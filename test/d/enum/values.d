/* Enumerators count from 0 or from the last given value. */
#pragma D option quiet


enum e { A, B, C = 10, D, E = -1, F };

BEGIN
{
	printf("%d %d %d %d %d %d\n", A, B, C, D, E, F);
	printf("%d\n", sizeof (enum e));
	exit(0);
}
