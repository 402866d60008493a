/* Two pointers added. */

BEGIN
{
	this->p = (int *)alloca(8);
	this->q = (int *)alloca(8);
	x = this->p + this->q;
}
