/* A third argument of nothing, too much or less than nothing shows all of it. */
#pragma D option quiet


BEGIN
{
	this->p = (char *)alloca(4);
	this->p[0] = 'a';
	tracemem(this->p, 4, 0);
	tracemem(this->p, 4, 100);
	tracemem(this->p, 4, 2);
	exit(0);
}
