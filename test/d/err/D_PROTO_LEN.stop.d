/* stop() has none. */
#pragma D option destructive

BEGIN
{
	stop(1);
	exit(0);
}
