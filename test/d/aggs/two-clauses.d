/* The clauses of a program add to one aggregation. */
#pragma D option quiet


BEGIN
{
	@["x"] = sum(1);
}

BEGIN
{
	@["x"] = sum(2);
	@["y"] = sum(5);
}

END
{
	@["x"] = sum(4);
}

BEGIN
{
	exit(0);
}
