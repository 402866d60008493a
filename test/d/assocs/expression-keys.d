/* Equal values are equal keys however they are computed. */
#pragma D option quiet


BEGIN
{
	a[6 * 7] = 1;
	i = 40;
	printf("%d\n", a[i + 2]);
	s["foobar"] = 2;
	printf("%d\n", s[strjoin("foo", "bar")]);
	printf("%d\n", s[substr("xxfoobar", 2)]);
	exit(0);
}
