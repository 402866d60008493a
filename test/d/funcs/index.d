/* index() finds the first occurrence at or after a position. */
#pragma D option quiet


BEGIN
{
	s = "abcabc";
	printf("%d %d %d %d\n", index(s, "b"), index(s, "bc"), index(s, "abc"), index(s, "x"));
	printf("%d %d %d %d\n", index(s, "b", 2), index(s, "b", 1), index(s, "b", 5), index(s, "a", -5));
	printf("%d %d %d\n", index(s, "abcabcd"), index(s, "c", 100), index(s, "abcabc"));
	exit(0);
}
