/*
 * A path that ends in "/..", "/." or "/" loses that. By the letter of the original's algorithm it keeps a slash or the dot in some of these cases, which the guide does
 * not say.
 */
#pragma D option quiet


BEGIN
{
	printf("%s %s %s\n", cleanpath("/a/b/.."), cleanpath("/a/b/."), cleanpath("/a/b/"));
	printf("%s %s %s\n", cleanpath("/.."), cleanpath("/."), cleanpath("///"));
	printf("%s %s %s\n", cleanpath("a/.."), cleanpath("../a/../.."), cleanpath("./"));
	printf("[%s]\n", cleanpath(""));
	exit(0);
}
