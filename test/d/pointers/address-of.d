/* The address of a member and of an element. */
#pragma D option quiet


struct s {
	int a;
	int b;
};

BEGIN
{
	this->s = (struct s *)alloca(sizeof (struct s));
	this->s->b = 8;
	this->q = &this->s->b;
	printf("%d %d\n", *this->q, (uintptr_t)&this->s->b - (uintptr_t)this->s);
	printf("%d\n", *&this->s->b);
	exit(0);
}
