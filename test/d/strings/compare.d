/* All six comparisons of strings, by bytes. */
#pragma D option quiet


BEGIN
{
	a = "apple";
	b = "banana";
	printf("%d%d%d%d%d%d\n", a == b, a != b, a < b, a <= b, a > b, a >= b);
	printf("%d%d%d%d%d%d\n", a == "apple", a != "apple", a < "apple", a <= "apple", a > "apple", a >= "apple");
	printf("%d %d %d\n", "a" < "ab", "B" < "a", "" < "a");
	exit(0);
}
