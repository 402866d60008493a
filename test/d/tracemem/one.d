/* A single byte. */
#pragma D option quiet


BEGIN
{
	this->p = (char *)alloca(1);
	*this->p = 0x7e;
	tracemem(this->p, 1);
	exit(0);
}
