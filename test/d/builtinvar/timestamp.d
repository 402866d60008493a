/* The clocks move forward; within one clause timestamp stands still. */
#pragma D option quiet


BEGIN
{
	t = timestamp;
	printf("%d %d\n", timestamp == t, timestamp > 0);
	w = walltimestamp;
	printf("%d\n", w > 0);
	exit(0);
}
