/* raise() takes a number. */
#pragma D option destructive

BEGIN
{
	raise("5");
	exit(0);
}
