/* With zdefs a description may match nothing. */
#pragma D option quiet

#pragma D option zdefs

nosuch:provider:at:all
{
	printf("wrong\n");
}

BEGIN
{
	printf("fine\n");
	exit(0);
}
