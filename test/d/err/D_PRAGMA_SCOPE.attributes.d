/* The attributes of a built-in variable are fixed. */
#pragma D attributes Stable/Stable/Common pid

BEGIN
{
	exit(0);
}
