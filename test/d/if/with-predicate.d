/* A predicate and an if together. */
#pragma D option quiet


BEGIN
/0/
{
	if (1)
		printf("wrong\n");
}

BEGIN
/1/
{
	if (0)
		printf("wrong\n");
	else
		printf("right\n");
	exit(0);
}
