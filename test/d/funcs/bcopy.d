/* bcopy() between D's own memory. */
#pragma D option quiet


BEGIN
{
	this->a = (int *)alloca(2 * sizeof (int));
	this->b = (int *)alloca(2 * sizeof (int));
	this->a[0] = 11;
	this->a[1] = 22;
	bcopy(this->a, this->b, 2 * sizeof (int));
	this->a[0] = 0;
	printf("%d %d\n", this->b[0], this->b[1]);
	exit(0);
}
