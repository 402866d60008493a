/* + and space. */
#pragma D option quiet


BEGIN
{
	printf("[%+d][%+d][% d][% d]\n", 5, -5, 5, -5);
	printf("[%+5d][%-+5d]\n", 5, 5);
	exit(0);
}
