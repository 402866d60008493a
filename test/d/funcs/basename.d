/* basename(). */
#pragma D option quiet


BEGIN
{
	printf("%s %s %s %s\n", basename("/foo/bar/baz"), basename("/foo/bar/"), basename("foo"), basename("/foo"));
	printf("%s %s %s\n", basename("/"), basename("///"), basename(""));
	printf("%s\n", basename("a/b/c///"));
	exit(0);
}
