/* and, or, exclusive or and not of truth values. */
#pragma D option quiet


BEGIN
{
	t = 7;
	f = 0;
	printf("%d%d%d%d\n", f && f, f && t, t && f, t && t);
	printf("%d%d%d%d\n", f || f, f || t, t || f, t || t);
	printf("%d%d%d%d\n", f ^^ f, f ^^ t, t ^^ f, t ^^ t);
	printf("%d%d%d\n", !f, !t, !!t);
	exit(0);
}
