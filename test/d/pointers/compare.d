/* Pointers compare with each other and with NULL. */
#pragma D option quiet


BEGIN
{
	this->a = (char *)alloca(2);
	this->b = this->a + 1;
	printf("%d%d%d%d\n", this->a < this->b, this->a == this->b, this->a != NULL, this->a + 1 == this->b);
	printf("%d %d\n", this->a ? 1 : 0, !this->a);
	exit(0);
}
