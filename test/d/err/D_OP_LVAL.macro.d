/* A macro variable is a constant. */

BEGIN
{
	$pid = 6;
	exit(0);
}
