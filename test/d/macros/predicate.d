/* Arguments in predicates. */
#pragma D option quiet


BEGIN
/$1 > 10/
{
	printf("over\n");
}

BEGIN
/$1 <= 10/
{
	printf("under\n");
}

BEGIN
{
	exit(0);
}
