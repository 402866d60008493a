/* ++ and += on pointers. */
#pragma D option quiet


BEGIN
{
	this->p = (short *)alloca(3 * sizeof (short));
	this->p[0] = 1;
	this->p[1] = 2;
	this->p[2] = 3;
	this->q = this->p;
	this->q++;
	printf("%d ", *this->q);
	this->q += 1;
	printf("%d ", *this->q);
	this->q -= 2;
	printf("%d\n", *this->q);
	exit(0);
}
