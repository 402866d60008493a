/* strlen(). */
#pragma D option quiet


BEGIN
{
	s = "four";
	printf("%d %d %d %d\n", strlen(""), strlen("a"), strlen(s), strlen(strjoin(s, s)));
	printf("%d\n", sizeof (strlen("x")));
	exit(0);
}
