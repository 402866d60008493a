/* A number is a probe's id: BEGIN is 1, END is 2. */
#pragma D option quiet


1
{
	printf("%s %d\n", probename, id);
	exit(0);
}

2
{
	printf("%s %d\n", probename, id);
}
