/* A size that is none. */
#pragma D option bufsize=lots

BEGIN
{
	exit(0);
}
