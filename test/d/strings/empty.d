/* The empty string. */
#pragma D option quiet


BEGIN
{
	e = "";
	printf("[%s] %d %d %d\n", e, strlen(e), e == "", e != "x");
	exit(0);
}
