/* %% is a percent sign. */
#pragma D option quiet


BEGIN
{
	printf("100%%\n");
	printf("%d%% of %d%%\n", 5, 10);
	exit(0);
}
