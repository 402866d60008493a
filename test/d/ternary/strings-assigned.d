/* A string variable takes the chosen string. */
#pragma D option quiet


BEGIN
{
	i = 0;
	s = i ? "yes" : "no";
	i = 1;
	t = i ? "yes" : "no";
	printf("%s %s\n", s, t);
	exit(0);
}
