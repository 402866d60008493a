/* Thread-local variables keep their values between clauses of a thread. */
#pragma D option quiet


BEGIN
{
	self->n = 12;
	self->s = "text";
}

BEGIN
{
	printf("%d %s\n", self->n, self->s);
	self->n++;
}

BEGIN
{
	printf("%d\n", self->n);
	exit(0);
}
