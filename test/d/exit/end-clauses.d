/* exit() in END does not keep the other clauses of END from running. */
#pragma D option quiet


BEGIN
{
	exit(0);
}

END
{
	printf("one\n");
	exit(4);
}

END
{
	printf("two\n");
}
