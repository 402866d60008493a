/* Many arguments in one call. */
#pragma D option quiet


BEGIN
{
	printf("%d %d %d %d %d %d %d %d %d %d %s %c %x\n", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, "eleven", '!', 13);
	exit(0);
}
