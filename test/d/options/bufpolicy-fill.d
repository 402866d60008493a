/* bufpolicy=fill keeps what fits. */
#pragma D option quiet

#pragma D option bufpolicy=fill

BEGIN
{
	printf("kept\n");
	exit(0);
}
