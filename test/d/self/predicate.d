/* The usual pairing of two probes by a thread-local variable. */
#pragma D option quiet


BEGIN
{
	self->seen = 1;
}

END
/self->seen/
{
	printf("seen\n");
	self->seen = 0;
}

END
/self->seen/
{
	printf("wrong\n");
}

BEGIN
{
	exit(0);
}
