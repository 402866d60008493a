/* raise() has one. */
#pragma D option destructive

BEGIN
{
	raise();
	exit(0);
}
