/* Attributes of a name that never appears. */
#pragma D attributes Stable/Stable/Common nosuch

BEGIN
{
	exit(0);
}
