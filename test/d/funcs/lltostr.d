/* lltostr() in base 10. */
#pragma D option quiet


BEGIN
{
	printf("%s %s %s\n", lltostr(0), lltostr(123), lltostr(-45));
	printf("%s\n", lltostr(9223372036854775807));
	printf("%s\n", lltostr(-9223372036854775807));
	printf("%s\n", strjoin("n=", lltostr(7)));
	exit(0);
}
