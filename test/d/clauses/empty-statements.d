/* Empty statements and a missing last semicolon. */
#pragma D option quiet


BEGIN
{
	;;
	x = 1;;
	printf("%d\n", x);
	exit(0)
}
