/* printa() of an aggregation without elements prints nothing with a format, a newline without. */
#pragma D option quiet


BEGIN
/0/
{
	@ = count();
}

BEGIN
{
	exit(0);
}

END
{
	printf("a\n");
	printa("%@d\n", @);
	printf("b\n");
	printa(@);
	printf("c\n");
}
