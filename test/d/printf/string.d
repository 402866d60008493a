/* Strings with width and precision. */
#pragma D option quiet


BEGIN
{
	printf("[%s][%8s][%-8s]\n", "text", "text", "text");
	printf("[%.2s][%8.2s][%-8.2s]\n", "text", "text", "text");
	printf("[%2s]\n", "text");
	printf("[%s]\n", "");
	exit(0);
}
