/* #pragma D option quiet is -q. */
#pragma D option quiet

BEGIN
{
	trace(5);
	trace("\n");
	exit(0);
}
