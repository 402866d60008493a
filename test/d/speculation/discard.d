/* What is discarded never appears. */
#pragma D option quiet


BEGIN
{
	self->s = speculation();
}

BEGIN
{
	speculate(self->s);
	printf("wrong\n");
}

BEGIN
{
	discard(self->s);
}

BEGIN
{
	printf("done\n");
	exit(0);
}
