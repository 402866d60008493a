/* Two equal strings in different places are equal. */
#pragma D option quiet


BEGIN
{
	a = strjoin("ab", "cd");
	b = strjoin("a", "bcd");
	printf("%d %d\n", a == b, a == "abcd");
	exit(0);
}
