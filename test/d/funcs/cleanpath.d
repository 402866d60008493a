/* cleanpath() removes what a path does not need. */
#pragma D option quiet


BEGIN
{
	printf("%s\n", cleanpath("/foo/bar/baz"));
	printf("%s\n", cleanpath("/foo//bar///baz"));
	printf("%s\n", cleanpath("/foo/./bar/././baz"));
	printf("%s\n", cleanpath("/foo/bar/../baz"));
	printf("%s\n", cleanpath("/a/b/../../c"));
	printf("%s\n", cleanpath("/foo/..bar/.baz"));
	printf("%s\n", cleanpath("/../a"));
	exit(0);
}
