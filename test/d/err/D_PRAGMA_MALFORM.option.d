/* No option named. */
#pragma D option

BEGIN
{
	exit(0);
}
