/* A predicate may make a variable. */
#pragma D option quiet


BEGIN
/n++ == 0/
{
	printf("first %d\n", n);
}

BEGIN
/n++ == 0/
{
	printf("wrong\n");
}

BEGIN
{
	printf("%d\n", n);
	exit(0);
}
