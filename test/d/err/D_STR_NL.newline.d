/* A string that does not end on its line. */
BEGIN
{
	printf("no end);
	exit(0);
}
