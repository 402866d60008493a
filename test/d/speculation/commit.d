/* What was recorded speculatively appears when it is committed. */
#pragma D option quiet


BEGIN
{
	self->s = speculation();
}

BEGIN
/self->s/
{
	speculate(self->s);
	printf("speculative\n");
}

BEGIN
{
	printf("certain\n");
}

BEGIN
/self->s/
{
	commit(self->s);
	self->s = 0;
}

BEGIN
{
	printf("last\n");
	exit(0);
}
