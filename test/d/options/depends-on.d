/* #pragma D depends_on is satisfied by a provider that is there. */
#pragma D option quiet

#pragma D depends_on provider dtrace
#pragma D depends_on provider profile

BEGIN
{
	printf("fine\n");
	exit(0);
}
