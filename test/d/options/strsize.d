/* strsize bounds every string, its NUL included. */
#pragma D option quiet
#pragma D option strsize=8


BEGIN
{
	s = "0123456789";
	printf("[%s] %d [%s] %d\n", s, strlen(s), strjoin("abcd", "efgh"), sizeof (s));
	exit(0);
}
