/* The empty string is found everywhere, as in Perl. */
#pragma D option quiet


BEGIN
{
	printf("%d %d %d\n", index("abc", ""), index("abc", "", 2), index("abc", "", 7));
	printf("%d %d %d\n", rindex("abc", ""), rindex("abc", "", 1), rindex("abc", "", -1));
	printf("%d %d %d\n", index("", ""), rindex("", ""), index("", "x"));
	exit(0);
}
