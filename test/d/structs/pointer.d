/* -> through a pointer to memory of the clause. */
#pragma D option quiet


struct pt {
	int x;
	int y;
};

BEGIN
{
	this->p = (struct pt *)alloca(sizeof (struct pt));
	this->p->x = 3;
	this->p->y = 4;
	printf("%d %d %d\n", this->p->x, this->p->y, (*this->p).x);
	exit(0);
}
