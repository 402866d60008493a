/* There is no user address space at BEGIN: copyinstr() and copyin() fault. */
#pragma D option quiet


BEGIN
{
	printf("%s\n", copyinstr(0));
}

BEGIN
{
	this->p = (char *)copyin(0, 8);
	printf("%d\n", *this->p);
}

ERROR
{
	printf("fault %d\n", arg4);
}

BEGIN
{
	exit(0);
}
