/* A base that is none is an illegal operation. */
#pragma D option quiet


BEGIN
{
	base = 1;
}

BEGIN
{
	printf("%s\n", lltostr(5, base));
}

ERROR
{
	printf("fault %d\n", arg4);
}

BEGIN
{
	exit(0);
}
