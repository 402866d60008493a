/* The usual pattern: record at entry, keep on failure. */
#pragma D option quiet


BEGIN
{
	self->spec = speculation();
	err = 5;
}

BEGIN
/self->spec/
{
	speculate(self->spec);
	printf("entry\n");
}

END
/self->spec && err == 0/
{
	discard(self->spec);
}

END
/self->spec && err != 0/
{
	commit(self->spec);
}

BEGIN
{
	exit(0);
}
