/* Clauses of different probes do not share clause-local variables that were assigned. */
#pragma D option quiet


BEGIN
{
	this->v = 1;
	g = this->v;
}

END
{
	this->v = 2;
	printf("%d %d\n", g, this->v);
}

BEGIN
{
	exit(0);
}
