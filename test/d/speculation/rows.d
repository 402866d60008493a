/* Speculative rows are rows; speculate() alone records the bare row, commit() none. */

BEGIN
{
	self->s = speculation();
}

BEGIN
{
	speculate(self->s);
}

BEGIN
{
	speculate(self->s);
	trace(5);
}

BEGIN
{
	commit(self->s);
}

BEGIN
{
	exit(0);
}
