/* What is neither committed nor discarded does not appear. */
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
	printf("done\n");
	exit(0);
}
