/* Elements live on between clauses and probes. */
#pragma D option quiet


BEGIN
{
	start["a"] = 1;
}

END
{
	printf("%d\n", start["a"]);
}

BEGIN
{
	start["a"] += 4;
	exit(0);
}
