/* A negative start counts from the end, a negative length leaves off that many at the end. */
#pragma D option quiet


BEGIN
{
	s = "hello";
	printf("[%s][%s][%s]\n", substr(s, -3), substr(s, -3, 2), substr(s, -1));
	printf("[%s][%s][%s]\n", substr(s, 1, -1), substr(s, 0, -4), substr(s, -4, -2));
	printf("[%s][%s]\n", substr(s, -10, 7), substr(s, 1, -5));
	exit(0);
}
