/* chill() has one. */
#pragma D option destructive

BEGIN
{
	chill(1, 2);
	exit(0);
}
