/* breakpoint() has none. */
#pragma D option destructive

BEGIN
{
	breakpoint(1);
	exit(0);
}
