/* panic() has none. */
#pragma D option destructive

BEGIN
{
	panic("now");
	exit(0);
}
