/* -> on a pointer to an int. */

BEGIN
{
	this->p = (int *)alloca(4);
	trace(this->p->y);
}
