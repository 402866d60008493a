/* strstr() gives the rest from a substring on. */
#pragma D option quiet


BEGIN
{
	printf("%s\n", strstr("foobarbaz", "bar"));
	printf("%s\n", strstr("foobar", "foobar"));
	printf("%s\n", strstr("aab", "ab"));
	printf("%d %d\n", strstr("foo", "bar") == NULL, strstr("foo", "oo") != NULL);
	exit(0);
}
