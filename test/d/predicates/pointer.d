/* A pointer as a predicate. */
#pragma D option quiet


self int *p;

BEGIN
/self->p/
{
	printf("wrong\n");
}

BEGIN
/!self->p/
{
	printf("right\n");
	exit(0);
}
