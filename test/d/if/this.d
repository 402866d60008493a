/* Clause-local variables go through branches. */
#pragma D option quiet


BEGIN
{
	this->r = 0;
	if (1 + 1 == 2) {
		this->r = 5;
	}
	printf("%d\n", this->r);
	exit(0);
}
