/* Scratch memory is bounded; asking for more is a fault. */
#pragma D option quiet


BEGIN
{
	this->p = (char *)alloca(100000000);
	*this->p = 1;
	printf("not reached\n");
}

ERROR
{
	printf("fault %d\n", arg4);
}

BEGIN
{
	exit(0);
}
