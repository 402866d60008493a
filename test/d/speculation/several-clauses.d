/* Clauses add to one speculation in order. */
#pragma D option quiet


BEGIN
{
	self->s = speculation();
}

BEGIN
{
	speculate(self->s);
	printf("one\n");
}

BEGIN
{
	speculate(self->s);
	printf("two %d\n", 2);
}

BEGIN
{
	commit(self->s);
}

BEGIN
{
	exit(0);
}
