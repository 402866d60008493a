/* rindex() finds the last occurrence at or before a position. */
#pragma D option quiet


BEGIN
{
	s = "abcabc";
	printf("%d %d %d %d\n", rindex(s, "b"), rindex(s, "bc"), rindex(s, "abc"), rindex(s, "x"));
	printf("%d %d %d %d\n", rindex(s, "b", 3), rindex(s, "a", 2), rindex(s, "c", 1), rindex(s, "a", -1));
	printf("%d\n", rindex(s, "a", 100));
	exit(0);
}
