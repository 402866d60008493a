/* A fault in a predicate ends the clause; arg2 is 0. */
#pragma D option quiet


BEGIN
{
	zero = 0;
}

BEGIN
/1 / zero/
{
	printf("wrong\n");
}

ERROR
{
	printf("fault %d in action %d of %d\n", arg4, arg2, arg1);
}

BEGIN
{
	exit(0);
}
