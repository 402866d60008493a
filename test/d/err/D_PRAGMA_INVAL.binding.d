/* A version that is none. */
#pragma D binding "one.two" x

BEGIN
{
	x = 1;
	exit(0);
}
