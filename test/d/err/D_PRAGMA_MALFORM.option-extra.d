/* More than one option named. */
#pragma D option quiet loud

BEGIN
{
	exit(0);
}
