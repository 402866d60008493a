/* A clause runs when its predicate is not zero. */
#pragma D option quiet


BEGIN
{
	x = 3;
}

BEGIN
/x == 3/
{
	printf("equal\n");
}

BEGIN
/x != 3/
{
	printf("wrong\n");
}

BEGIN
/x/
{
	printf("true\n");
	exit(0);
}
