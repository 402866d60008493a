/* A pointer to a pointer. */
#pragma D option quiet


BEGIN
{
	this->v = (int *)alloca(sizeof (int));
	this->pp = (int **)alloca(sizeof (int *));
	*this->v = 9;
	*this->pp = this->v;
	printf("%d\n", **this->pp);
	exit(0);
}
