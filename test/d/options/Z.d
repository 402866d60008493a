/* -Z is zdefs. */
#pragma D option quiet


nosuch:provider:at:all
{
	printf("wrong\n");
}

BEGIN
{
	printf("fine\n");
	exit(0);
}
