/* A pointer steps by the size of what it points to. */
#pragma D option quiet


BEGIN
{
	this->p = (int *)alloca(4 * sizeof (int));
	this->p[0] = 10;
	this->p[1] = 20;
	this->p[2] = 30;
	this->p[3] = 40;
	this->q = this->p + 2;
	printf("%d %d %d\n", *this->p, *(this->p + 1), *this->q);
	printf("%d %d\n", this->q - this->p, *(this->q - 1));
	printf("%d\n", *(1 + this->q));
	exit(0);
}
