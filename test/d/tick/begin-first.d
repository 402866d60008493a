/* BEGIN fires before any tick. */
#pragma D option quiet


int began;

tick-1ms
{
	printf("%d\n", began);
	exit(0);
}

BEGIN
{
	began = 1;
}
