/* $1 and $2 are script arguments. */
#pragma D option quiet


BEGIN
{
	printf("%d %d\n", $1 + $2, $1 * 2);
	exit(0);
}
