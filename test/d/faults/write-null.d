/* Writing through a null pointer. */
#pragma D option quiet


BEGIN
{
	this->p = (int *)NULL;
	*this->p = 1;
}

ERROR
{
	printf("fault %d\n", arg4);
}

BEGIN
{
	exit(0);
}
