/* -C runs the preprocessor. */
#pragma D option quiet


#define LIMIT 10
#define DOUBLE(x) ((x) * 2)

BEGIN
{
	printf("%d %d\n", LIMIT, DOUBLE(LIMIT + 1));
	exit(0);
}
