/* An unknown pragma of D. */
#pragma D frobnicate

BEGIN
{
	exit(0);
}
