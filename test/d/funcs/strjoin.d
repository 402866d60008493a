/* strjoin(). */
#pragma D option quiet


BEGIN
{
	printf("%s\n", strjoin("foo", "bar"));
	printf("[%s][%s][%s]\n", strjoin("", "x"), strjoin("x", ""), strjoin("", ""));
	printf("%s\n", strjoin(strjoin("a", "b"), strjoin("c", "d")));
	exit(0);
}
