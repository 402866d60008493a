/* What is not evaluated does not fault. */
#pragma D option quiet


BEGIN
{
	this->p = (int *)NULL;
	printf("%d\n", this->p != NULL && *this->p == 5);
	printf("%d\n", this->p == NULL ? -1 : *this->p);
	exit(0);
}
