/* $pid and its kin are integers. */
#pragma D option quiet


BEGIN
{
	printf("%d %d %d\n", $pid > 0, $ppid >= 0, $uid >= 0);
	printf("%d\n", strlen($$pid) > 0);
	exit(0);
}
