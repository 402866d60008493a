/* A structure is assigned whole, between variables of every kind. */
#pragma D option quiet


struct point {
	int x;
	int y;
	char name[4];
};

struct point one;
struct point two;
this struct point three;
self struct point four;

BEGIN
{
	one.x = 3;
	one.y = -4;
	one.name[0] = 'p';
	two = one;
	this->three = two;
	self->four = this->three;
	one.x = 99;
	printf("%d %d %d %d %s\n", one.x, two.x, this->three.y, self->four.y, self->four.name);
	exit(0);
}
