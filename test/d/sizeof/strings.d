/* A string variable is as large as the largest string. */
#pragma D option quiet


BEGIN
{
	s = "short";
	printf("%d\n", sizeof (s));
	exit(0);
}
