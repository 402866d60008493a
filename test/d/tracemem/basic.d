/* tracemem() dumps bytes of memory. */
#pragma D option quiet


BEGIN
{
	this->p = (char *)alloca(20);
	bcopy("0123456789abcdefghi", this->p, 20);
	tracemem(this->p, 20);
	exit(0);
}
