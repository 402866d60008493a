/* An unknown option. */
#pragma D option frobnicate

BEGIN
{
	exit(0);
}
