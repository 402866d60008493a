/* Assignments in a speculative clause are not undone. */
#pragma D option quiet


BEGIN
{
	self->s = speculation();
}

BEGIN
{
	speculate(self->s);
	x = 9;
	printf("wrong\n");
}

BEGIN
{
	discard(self->s);
}

BEGIN
{
	printf("%d\n", x);
	exit(0);
}
