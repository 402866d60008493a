/* bufpolicy=ring keeps the newest records and prints them at the end. */
#pragma D option quiet

#pragma D option bufpolicy=ring
#pragma D option bufsize=64k

BEGIN
{
	printf("kept\n");
	exit(0);
}
