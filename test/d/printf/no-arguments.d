/* A format without conversions. */
#pragma D option quiet


BEGIN
{
	printf("just text\n");
	printf("\ttab and \"quotes\" and \\ backslash\n");
	exit(0);
}
