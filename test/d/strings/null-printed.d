/* Printing a null string, or handing it to a subroutine, is a fault at address 0. */
#pragma D option quiet


BEGIN
{
	printf("%s\n", strchr("abc", 'Z'));
}

BEGIN
{
	trace(strlen(strchr("abc", 'Z')));
}

BEGIN
{
	trace(strjoin("a", strchr("abc", 'Z')));
}

BEGIN
{
	exit(0);
}

ERROR
{
	printf("epid %d fault %d at %x\n", arg1, arg4, arg5);
}
