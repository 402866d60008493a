/* One that was never assigned is 0, and false in a predicate. */
#pragma D option quiet


self int never;

BEGIN
/self->never/
{
	printf("wrong\n");
}

BEGIN
/!self->never/
{
	printf("%d\n", self->never);
	exit(0);
}
