/* The main program cannot depend on a library. */
#pragma D depends_on library nosuch.d

BEGIN
{
	exit(0);
}
