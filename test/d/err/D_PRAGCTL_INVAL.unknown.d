/* An unknown control line. */
#frobnicate

BEGIN
{
	exit(0);
}
