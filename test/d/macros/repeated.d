/* One argument any number of times. */
#pragma D option quiet


BEGIN
{
	printf("%d %s %d\n", $1, $$1, $1);
	exit(0);
}
