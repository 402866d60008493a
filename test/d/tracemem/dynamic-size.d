/* The third argument says how many of the bytes are shown. */
#pragma D option quiet


BEGIN
{
	this->p = (char *)alloca(32);
	bcopy("abcdefghijklmnopqrstuvwxyz12345", this->p, 32);
	n = 5;
	tracemem(this->p, 32, n);
	n = 100;
	tracemem(this->p, 16, n);
	exit(0);
}
