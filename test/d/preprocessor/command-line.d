/* -D and -U. */
#pragma D option quiet


#ifdef GONE
#error "GONE is defined"
#endif

BEGIN
{
	printf("%d %s\n", COUNT, NAME);
	exit(0);
}
