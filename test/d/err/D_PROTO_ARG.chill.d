/* chill() takes a number. */
#pragma D option destructive

BEGIN
{
	chill("5");
	exit(0);
}
