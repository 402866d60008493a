/* They last for the clauses of one probe's firing. */
#pragma D option quiet


BEGIN
{
	this->x = 77;
}

BEGIN
{
	printf("%d\n", this->x);
	exit(0);
}
