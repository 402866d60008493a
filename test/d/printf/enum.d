/* An enumerator prints as an integer. */
#pragma D option quiet


enum color { RED = 3, GREEN };

BEGIN
{
	printf("%d %d\n", RED, GREEN);
	exit(0);
}
