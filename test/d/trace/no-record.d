/* A clause that only assigns leaves no row. */

BEGIN
{
	x = 1;
	self->y = 2;
	this->z = 3;
}

BEGIN
{
	exit(0);
}
