/* substr() with a start and a length. */
#pragma D option quiet


BEGIN
{
	s = "hello";
	printf("[%s][%s][%s]\n", substr(s, 1, 3), substr(s, 0), substr(s, 2));
	printf("[%s][%s][%s]\n", substr(s, 0, 1), substr(s, 4, 1), substr(s, 2, 0));
	printf("[%s][%s][%s]\n", substr(s, 0, 100), substr(s, 3, 100), substr(s, 5));
	printf("[%s]\n", substr(s, 100, 1));
	exit(0);
}
