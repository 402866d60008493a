/* An argument in quotes is a string constant under $1. */
#pragma D option quiet


BEGIN
{
	printf("%s\n", $1);
	exit(0);
}
