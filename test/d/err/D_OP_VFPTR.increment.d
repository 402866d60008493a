/* A void pointer incremented. */

BEGIN
{
	this->p = (void *)8;
	this->p++;
}
