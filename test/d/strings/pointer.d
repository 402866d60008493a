/* A string and an integer are added as a pointer is: the result is the rest of the string. */
#pragma D option quiet


BEGIN
{
	s = "hello";
	i = 2;
	printf("%s %s %c %c\n", s + 1, "hello" + i, s[1], "hello"[i]);
	exit(0);
}
