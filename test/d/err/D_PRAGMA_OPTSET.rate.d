/* A rate that is none. */
#pragma D option switchrate=often

BEGIN
{
	exit(0);
}
