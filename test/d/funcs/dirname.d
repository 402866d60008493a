/* dirname(). */
#pragma D option quiet


BEGIN
{
	printf("%s %s %s %s\n", dirname("/foo/bar/baz"), dirname("/foo/bar/"), dirname("foo"), dirname("/foo"));
	printf("%s %s %s\n", dirname("/"), dirname(""), dirname("foo/bar"));
	printf("%s %s\n", dirname("foo/"), dirname("."));
	exit(0);
}
