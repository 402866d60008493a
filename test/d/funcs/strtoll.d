/* strtoll() in base 10. */
#pragma D option quiet


BEGIN
{
	printf("%d %d %d\n", strtoll("0"), strtoll("123"), strtoll("-77"));
	printf("%d %d %d\n", strtoll("  42"), strtoll("12abc"), strtoll("+5"));
	printf("%d %d\n", strtoll(""), strtoll("abc"));
	printf("%d\n", strtoll("9223372036854775807"));
	exit(0);
}
