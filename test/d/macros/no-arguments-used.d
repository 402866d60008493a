/* An argument with a percent sign and quotes survives as a string. */
#pragma D option quiet


BEGIN
{
	printf("%s|%s\n", $$1, $$2);
	exit(0);
}
