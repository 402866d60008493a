/* Attributes that are none. */
#pragma D attributes Sturdy/Stable/Common x

BEGIN
{
	x = 1;
	exit(0);
}
