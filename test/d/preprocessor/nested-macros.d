/* Macros in macros, and names in strings are left alone. */
#pragma D option quiet


#define ONE 1
#define TWO (ONE + ONE)
#define FOUR (TWO * TWO)

BEGIN
{
	printf("ONE %d\n", FOUR);
	exit(0);
}
