/* A version that there is. */
#pragma D option quiet
#pragma D option version=1.2


BEGIN
{
	printf("yes\n");
	exit(0);
}
