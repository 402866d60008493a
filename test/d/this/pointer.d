/* A clause-local pointer to memory of the clause. */
#pragma D option quiet


BEGIN
{
	this->p = (int *)alloca(sizeof (int));
	*this->p = 41;
	*this->p += 1;
	printf("%d\n", *this->p);
	exit(0);
}
