/* There are no loops. */

BEGIN
{
	do { i++; } while (i < 5);
	exit(0);
}
