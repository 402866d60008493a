/*
 * A string variable that was never assigned is a null pointer in DTrace, so printing it faults with an invalid address (arg4 = 1).
 * Doubtful: an implementation may as well give the empty string.
 */
#pragma D option quiet


string text;

BEGIN
{
	printf("[%s]\n", text);
}

BEGIN
{
	exit(0);
}

ERROR
{
	printf("fault %d\n", arg4);
}
