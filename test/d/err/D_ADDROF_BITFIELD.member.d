/* The address of a bit-field. */

struct b {
	int f : 3;
	int g : 5;
};

BEGIN
{
	this->p = (struct b *)alloca(sizeof (struct b));
	this->q = &this->p->g;
}
