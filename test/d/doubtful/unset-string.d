/*
 * A global or clause-local string that was never assigned is empty: its storage begins as zeros. A thread-local one is a null pointer, and printing it faults.
 */
#pragma D option quiet


string text;
this string local;
self string own;

BEGIN
{
	printf("[%s] [%s]\n", text, this->local);
}

BEGIN
{
	printf("[%s]\n", self->own);
}

BEGIN
{
	exit(0);
}

ERROR
{
	printf("fault %d\n", arg4);
}
