/* A void pointer added to. */

BEGIN
{
	this->p = (void *)8;
	this->p += 1;
}
